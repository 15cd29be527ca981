//! A host's advanced options: what there is, of which type, and the values that a new host has.

use vimsim_types::views::{BoolOption, ChoiceOption, LongOption, OptionDef, OptionType, OptionValue, StringOption};
use vimsim_types::{Object, Value, View};

use super::hardware::description;
use super::option_table::OPTIONS;

/// What an option may be, and what it is at first.
pub(super) enum Setting {
    /// A number from `.0` to `.1`.
    Number(i64, i64, i64),
    Switch(bool),
    Text(&'static str),
    /// One of these words; the first is what it is at first.
    Choice(&'static [&'static str]),
}

impl Setting {
    fn value(&self) -> Value {
        match self {
            Setting::Number(_, _, value) => Value::Long(*value),
            Setting::Switch(value) => Value::Bool(*value),
            Setting::Text(value) => Value::from(*value),
            Setting::Choice(words) => Value::from(words[0]),
        }
    }

    fn option_type(&self) -> OptionType {
        let option: Object = match self {
            Setting::Number(min, max, value) => LongOption::with(|option| {
                option.set_min(*min).set_max(*max).set_default_value(*value);
            })
            .into(),
            Setting::Switch(value) => BoolOption::with(|option| {
                option.set_supported(true).set_default_value(*value);
            })
            .into(),
            Setting::Text(value) => StringOption::with(|option| _ = option.set_default_value(*value)).into(),
            Setting::Choice(words) => ChoiceOption::with(|option| {
                option.set_choice_info(words.iter().map(|word| description(word, word, word)));
                option.set_default_index(0);
            })
            .into(),
        };
        let mut option = OptionType::from_object(option).unwrap_or_else(View::new);
        option.set_value_is_readonly(false);
        option
    }
}

/// `config.option`, sorted by key.
pub(super) fn values() -> impl Iterator<Item = OptionValue> {
    OPTIONS.iter().map(|(key, setting, _)| {
        OptionValue::with(|option| {
            option.set_key(*key).set_value(setting.value());
        })
    })
}

/// `config.optionDef`, in the same order.
pub(super) fn definitions() -> impl Iterator<Item = OptionDef> {
    OPTIONS.iter().map(|(key, setting, summary)| {
        OptionDef::with(|definition| {
            definition.set_key(*key).set_label(key.rsplit('.').next().unwrap_or(key)).set_summary(*summary);
            definition.set_option_type(setting.option_type());
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_sorted_and_each_there_once() {
        assert!(OPTIONS.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn numbers_begin_within_their_limits() {
        for (key, setting, _) in OPTIONS {
            if let Setting::Number(min, max, value) = setting {
                assert!(min <= value && value <= max, "{key}");
            }
        }
    }
}
