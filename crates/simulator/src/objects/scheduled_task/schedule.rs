//! When a scheduled task runs. All times are in UTC, as the API reference has it.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime as Civil, Weekday};
use jiff::tz::TimeZone;
use vimsim_types::enums::{DayOfWeek, WeekOfMonth};
use vimsim_types::views::{
    AfterStartupTaskScheduler, DailyTaskScheduler, HourlyTaskScheduler, MonthlyByDayTaskScheduler,
    MonthlyByWeekdayTaskScheduler, OnceTaskScheduler, RecurrentTaskScheduler, TaskScheduler, WeeklyTaskScheduler,
};
use vimsim_types::{DateTime, Fault, View};

/// `InvalidArgument` for a scheduler that never runs or whose numbers cannot be.
pub(super) fn check(scheduler: &TaskScheduler, now: DateTime) -> Result<(), Fault> {
    let refuse = |field: &str, why: &str| Err(Fault::invalid_argument(&format!("spec.scheduler.{field}"), why));
    if let (Some(begin), Some(end)) = (scheduler.active_time(), scheduler.expire_time())
        && end < begin
    {
        return refuse("expireTime", "is before the active time");
    }
    if let Some(once) = scheduler.downcast::<OnceTaskScheduler>() {
        return match once.run_at() {
            Some(at) if at < now => refuse("runAt", "is in the past"),
            _ => Ok(()),
        };
    }
    if let Some(after) = scheduler.downcast::<AfterStartupTaskScheduler>() {
        return if after.minute() < 0 { refuse("minute", "is negative") } else { Ok(()) };
    }
    let Some(hourly) = scheduler.downcast::<HourlyTaskScheduler>() else {
        return Err(Fault::invalid_argument("spec.scheduler", "says not when"));
    };
    if !(1..=999).contains(&hourly.interval()) {
        return refuse("interval", "is not from 1 to 999");
    }
    if !(0..=59).contains(&hourly.minute()) {
        return refuse("minute", "is not from 0 to 59");
    }
    if scheduler.downcast::<DailyTaskScheduler>().is_some_and(|daily| !(0..=23).contains(&daily.hour())) {
        return refuse("hour", "is not from 0 to 23");
    }
    if scheduler.downcast::<MonthlyByDayTaskScheduler>().is_some_and(|monthly| !(1..=31).contains(&monthly.day())) {
        return refuse("day", "is not from 1 to 31");
    }
    if scheduler.downcast::<WeeklyTaskScheduler>().is_some_and(|weekly| days(weekly).iter().all(|runs| !runs)) {
        return refuse("sunday", "no day of the week is chosen");
    }
    Ok(())
}

/// The days of the week on which it runs, from Sunday.
fn days(weekly: &WeeklyTaskScheduler) -> [bool; 7] {
    [
        weekly.sunday(),
        weekly.monday(),
        weekly.tuesday(),
        weekly.wednesday(),
        weekly.thursday(),
        weekly.friday(),
        weekly.saturday(),
    ]
}

fn civil(time: DateTime) -> Civil {
    let timestamp = Timestamp::from_microsecond(time.micros()).unwrap_or_default();
    timestamp.to_zoned(TimeZone::UTC).datetime()
}

fn time(civil: Civil) -> Option<DateTime> {
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp().into())
}

/// The first time after `now` at which it runs, having run at `last`; none if it does not any more.
pub(super) fn next(scheduler: &TaskScheduler, now: DateTime, last: Option<DateTime>) -> Option<DateTime> {
    let begin = scheduler.active_time().map_or(now, |begin| begin.max(now));
    let found = if let Some(once) = scheduler.downcast::<OnceTaskScheduler>() {
        // Without a time it runs at once.
        if last.is_some() { None } else { Some(once.run_at().map_or(begin, |at| at.max(begin))) }
    } else {
        // At the very moment from which on it may run, too.
        let after = if begin > now { DateTime::from_micros(begin.micros() - 1) } else { now };
        recurrent(scheduler, after, last)
    };
    found.filter(|found| scheduler.expire_time().is_none_or(|end| *found <= end))
}

fn recurrent(scheduler: &TaskScheduler, after: DateTime, last: Option<DateTime>) -> Option<DateTime> {
    let interval = i64::from(scheduler.downcast::<RecurrentTaskScheduler>()?.interval()).clamp(1, 999);
    let minute = i8::try_from(scheduler.downcast::<HourlyTaskScheduler>()?.minute()).ok()?;
    let (from, last) = (civil(after), last.map(civil));
    let is_after = |found: Option<DateTime>| found.filter(|found| *found > after);
    // Between the last run and the next lie so many hours, days, weeks or months, or twice as many ...
    let is_turn = |units: fn(Civil) -> i64, at: Civil| {
        last.is_none_or(|last| (units(at) - units(last)).rem_euclid(interval) == 0)
    };
    let Some(daily) = scheduler.downcast::<DailyTaskScheduler>() else {
        let hour = from.with().minute(minute).second(0).subsec_nanosecond(0).build().ok()?;
        let mut hours = (0..=interval + 1).filter_map(|count| hour.checked_add(jiff::Span::new().hours(count)).ok());
        return hours.find_map(|at| is_after(time(at)).filter(|_| is_turn(hours_of, at)));
    };
    let hour = i8::try_from(daily.hour()).ok()?;
    let at = |date: Date| date.at(hour, minute, 0, 0);
    if let Some(runs) = month(scheduler) {
        let first = from.date().first_of_month();
        let mut months = (0..=interval + 1).filter_map(|count| first.checked_add(jiff::Span::new().months(count)).ok());
        return months.find_map(|month| {
            let at = at(runs(month)?);
            is_after(time(at)).filter(|_| is_turn(months_of, at))
        });
    }
    let weekly = scheduler.downcast::<WeeklyTaskScheduler>().map(days);
    let span = if weekly.is_some() { 7 * (interval + 1) } else { interval + 1 };
    let mut dates = (0..=span).filter_map(|count| from.date().checked_add(jiff::Span::new().days(count)).ok());
    dates.find_map(|date| {
        let at = at(date);
        let is_turn = match weekly {
            Some(days) => {
                let day = usize::try_from(date.weekday().to_sunday_zero_offset()).unwrap_or_default();
                days[day] && is_turn(weeks_of, at)
            }
            None => is_turn(days_of, at),
        };
        is_after(time(at)).filter(|_| is_turn)
    })
}

fn days_of(at: Civil) -> i64 {
    let hours = at.date().to_zoned(TimeZone::UTC).map_or(0, |date| date.timestamp().as_second() / 3_600);
    hours.div_euclid(24)
}

fn hours_of(at: Civil) -> i64 {
    days_of(at) * 24 + i64::from(at.hour())
}

/// Weeks begin on Sunday; 1970 began on a Thursday.
fn weeks_of(at: Civil) -> i64 {
    (days_of(at) + 4).div_euclid(7)
}

fn months_of(at: Civil) -> i64 {
    i64::from(at.year()) * 12 + i64::from(at.month())
}

/// For what runs by the month: the day on which it does, of the month with this first day.
fn month(scheduler: &TaskScheduler) -> Option<Box<dyn Fn(Date) -> Option<Date>>> {
    if let Some(monthly) = scheduler.downcast::<MonthlyByDayTaskScheduler>() {
        let day = i8::try_from(monthly.day()).ok()?;
        // A month that is too short has it on its last day.
        return Some(Box::new(move |first| first.with().day(day.min(first.days_in_month())).build().ok()));
    }
    let monthly = scheduler.downcast::<MonthlyByWeekdayTaskScheduler>()?;
    let weekday = match monthly.weekday() {
        DayOfWeek::Sunday => Weekday::Sunday,
        DayOfWeek::Monday => Weekday::Monday,
        DayOfWeek::Tuesday => Weekday::Tuesday,
        DayOfWeek::Wednesday => Weekday::Wednesday,
        DayOfWeek::Thursday => Weekday::Thursday,
        DayOfWeek::Friday => Weekday::Friday,
        DayOfWeek::Saturday => Weekday::Saturday,
    };
    let nth = match monthly.offset() {
        WeekOfMonth::First => 1,
        WeekOfMonth::Second => 2,
        WeekOfMonth::Third => 3,
        WeekOfMonth::Fourth => 4,
        WeekOfMonth::Last => -1,
    };
    Some(Box::new(move |first| first.nth_weekday_of_month(nth, weekday).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime {
        DateTime::parse(text).expect("a time")
    }

    /// The times at which it runs, from this time on.
    fn runs(scheduler: impl View, from: &str, count: usize) -> Vec<String> {
        let scheduler = scheduler.downcast::<TaskScheduler>().expect("a scheduler");
        check(scheduler, at(from)).expect("can be");
        let (mut now, mut last, mut found) = (at(from), None, Vec::new());
        while found.len() < count
            && let Some(time) = next(scheduler, now, last)
        {
            found.push(time.to_string());
            (now, last) = (time, Some(time));
        }
        found
    }

    #[test]
    fn every_number_of_hours_and_days() {
        let hourly = HourlyTaskScheduler::with(|hourly| _ = hourly.set_minute(30).set_interval(5));
        let expected = ["2026-03-01T10:30:00Z", "2026-03-01T15:30:00Z", "2026-03-01T20:30:00Z"];
        assert_eq!(runs(hourly, "2026-03-01T09:45:00Z", 3), expected);
        let daily = DailyTaskScheduler::with(|daily| {
            daily.set_hour(3).set_minute(0).set_interval(2);
            daily.set_expire_time(at("2026-03-05T00:00:00Z"));
        });
        assert_eq!(runs(daily, "2026-03-01T03:00:00Z", 3), ["2026-03-02T03:00:00Z", "2026-03-04T03:00:00Z"]);
    }

    #[test]
    fn on_days_of_every_second_week() {
        // The first of March 2026 is a Sunday.
        let weekly = WeeklyTaskScheduler::with(|weekly| {
            weekly.set_monday(true).set_friday(true).set_hour(1).set_minute(2).set_interval(2);
        });
        let expected = ["2026-03-02T01:02:00Z", "2026-03-06T01:02:00Z", "2026-03-16T01:02:00Z", "2026-03-20T01:02:00Z"];
        assert_eq!(runs(weekly, "2026-03-01T00:00:00Z", 4), expected);
    }

    #[test]
    fn on_a_day_of_the_month() {
        let by_day = MonthlyByDayTaskScheduler::with(|monthly| {
            monthly.set_day(31).set_hour(0).set_minute(0).set_interval(1);
        });
        assert_eq!(runs(by_day, "2026-01-31T00:00:00Z", 2), ["2026-02-28T00:00:00Z", "2026-03-31T00:00:00Z"]);
        let last_friday = MonthlyByWeekdayTaskScheduler::with(|monthly| {
            monthly.set_offset(WeekOfMonth::Last).set_weekday(DayOfWeek::Friday).set_hour(12).set_minute(0);
            monthly.set_interval(3);
        });
        assert_eq!(runs(last_friday, "2026-03-01T00:00:00Z", 2), ["2026-03-27T12:00:00Z", "2026-06-26T12:00:00Z"]);
    }

    #[test]
    fn once_and_not_before_it_is_active() {
        let once = OnceTaskScheduler::with(|once| _ = once.set_run_at(at("2026-03-01T10:00:00Z")));
        assert_eq!(runs(once, "2026-03-01T09:00:00Z", 2), ["2026-03-01T10:00:00Z"]);
        assert_eq!(runs(OnceTaskScheduler::new(), "2026-03-01T09:00:00Z", 2), ["2026-03-01T09:00:00Z"]);
        let later = HourlyTaskScheduler::with(|hourly| {
            hourly.set_minute(0).set_interval(1).set_active_time(at("2026-04-01T00:00:00Z"));
        });
        assert_eq!(runs(later, "2026-03-01T09:00:00Z", 1), ["2026-04-01T00:00:00Z"]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let refused = |scheduler: &TaskScheduler| check(scheduler, at("2026-03-01T09:00:00Z")).is_err();
        assert!(refused(&TaskScheduler::new()));
        assert!(refused(&OnceTaskScheduler::with(|once| _ = once.set_run_at(at("2026-03-01T08:00:00Z")))));
        assert!(refused(&HourlyTaskScheduler::with(|hourly| _ = hourly.set_interval(0))));
        assert!(refused(&HourlyTaskScheduler::with(|hourly| _ = hourly.set_minute(60).set_interval(1))));
        assert!(refused(&WeeklyTaskScheduler::with(|weekly| _ = weekly.set_hour(1).set_interval(1))));
    }
}
