//! The table, as Markdown.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use anyhow::Result;

use crate::figure::Figure;
use crate::server::{Binary, Clock};
use crate::table::{ROWS, Work};
use crate::work::{LIMIT, bounded};

/// The figures of all binaries.
pub(crate) struct Report {
    labels: Vec<String>,
    /// By binary, in the order they were measured in.
    figures: Vec<Vec<(Work, Figure)>>,
    /// What the rows that are measured have in their names.
    wanted: String,
    clock: Clock,
}

/// Where the figures of one binary go.
pub(crate) struct Column<'a> {
    figures: &'a mut Vec<(Work, Figure)>,
    wanted: &'a str,
}

impl Column<'_> {
    pub(crate) fn set(&mut self, work: Work, figure: Figure) {
        self.figures.push((work, figure));
    }

    /// Measures this, if it is wanted.
    pub(crate) async fn measure(&mut self, work: Work, measurement: impl Future<Output = Result<Figure>>) {
        self.measure_within(LIMIT, work, measurement).await;
    }

    /// Measures this, if it is wanted, for no longer than this.
    pub(crate) async fn measure_within(
        &mut self,
        limit: Duration,
        work: Work,
        measurement: impl Future<Output = Result<Figure>>,
    ) {
        if work.to_string().contains(self.wanted) {
            let figure = bounded(limit, measurement).await;
            self.set(work, figure);
        }
    }

    /// Whether a start took too long.
    pub(crate) fn gave_up(&self) -> bool {
        self.figures.iter().any(|(work, figure)| matches!((work, figure), (Work::Start(_), Figure::Over(_))))
    }
}

impl Report {
    pub(crate) fn new(binaries: &[Binary], wanted: String, clock: Clock) -> Self {
        let labels: Vec<String> = binaries.iter().map(|binary| binary.label.clone()).collect();
        Self { figures: vec![Vec::new(); labels.len()], labels, wanted, clock }
    }

    pub(crate) fn column(&mut self, index: usize) -> Column<'_> {
        Column { figures: &mut self.figures[index], wanted: &self.wanted }
    }

    fn figure(&self, column: usize, work: Work) -> Option<&Figure> {
        self.figures[column].iter().find(|(known, _)| *known == work).map(|(_, figure)| figure)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let others = 1..self.labels.len();
        write!(f, "| work | budget | {} |", self.labels[0])?;
        others.clone().try_for_each(|other| write!(f, " {} | times better |", self.labels[other]))?;
        writeln!(f, " met |")?;
        write!(f, "| --- | --- | --- |")?;
        others.clone().try_for_each(|_| write!(f, " --- | --- |"))?;
        writeln!(f, " --- |")?;
        for (work, budget) in ROWS {
            if (0..self.labels.len()).all(|column| self.figure(column, *work).is_none()) {
                continue;
            }
            let ours = self.figure(0, *work);
            let text = |figure: Option<&Figure>| figure.map_or_else(String::new, Figure::to_string);
            let demanded = budget.map_or_else(String::new, |budget| budget.to_string());
            write!(f, "| {work} | {demanded} | {} |", text(ours))?;
            for other in others.clone() {
                let theirs = self.figure(other, *work);
                let ratio = ours.zip(theirs).and_then(|(ours, theirs)| ours.times_better(theirs));
                let ratio = ratio.map_or_else(String::new, |ratio| ratio.to_string());
                write!(f, " {} | {ratio} |", text(theirs))?;
            }
            let met = match budget.zip(ours).filter(|_| self.clock == Clock::Wall) {
                Some((budget, ours)) if budget.met_by(ours) => "yes",
                Some(_) => "no",
                None => "",
            };
            writeln!(f, " {met} |")?;
        }
        if self.clock == Clock::Processor {
            writeln!(f, "\nTimes and rates are those of the server's processor time, not of the clock.")?;
        }
        writeln!(f, "\nTimes and rates are those of the best run, with the median of all runs in parentheses.")
    }
}
