//! The value of `RUN.container`: an image, with a command or without.

/// What a `RUN.container` option asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageValue {
    /// It is empty or `true`: the default image with its command.
    Default,
    /// An image and its command's words; no words mean the image's own command.
    Image {
        /// The image's name.
        image: String,
        /// The words after it.
        command: Vec<String>,
    },
}

/// Why a value names no image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageValueError {
    /// It begins like a JSON array and is none of strings.
    #[error("not a JSON array of strings: {0}")]
    Json(String),
    /// A quote is not closed.
    #[error("a quote is not closed: {0}")]
    Quote(String),
    /// An option before the image is none, or cannot be what it is.
    #[error("the option {option} {why}")]
    Option {
        /// The option.
        option: String,
        /// What is wrong with it.
        why: String,
    },
    /// There is no image's name, or an empty one.
    #[error("no image is named")]
    NoImage,
}

impl ImageValue {
    /// Reads a value: words with a shell's quotes, which no shell ever sees, or a JSON array of strings.
    pub fn parse(value: &str) -> Result<Self, ImageValueError> {
        let value = value.trim();
        if value.is_empty() || value.eq_ignore_ascii_case("true") {
            return Ok(Self::Default);
        }
        let words: Vec<String> = if value.starts_with('[') {
            serde_json::from_str(value).map_err(|error| ImageValueError::Json(error.to_string()))?
        } else {
            shell_words::split(value).map_err(|_| ImageValueError::Quote(value.to_owned()))?
        };
        let mut words = words.into_iter();
        match words.next().filter(|image| !image.trim().is_empty()) {
            Some(image) => Ok(Self::Image { image, command: words.collect() }),
            None => Err(ImageValueError::NoImage),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, words: &[&str]) {
        let expected = ImageValue::Image {
            image: words[0].into(),
            command: words[1..].iter().map(|word| (*word).to_owned()).collect(),
        };
        assert_eq!(ImageValue::parse(value), Ok(expected), "{value}");
    }

    #[test]
    fn words_and_json_mean_the_same() {
        check("nginx", &["nginx"]);
        check("  alpine:3.20   sleep 10 ", &["alpine:3.20", "sleep", "10"]);
        check(r#"alpine sh -c "echo 'a b' $HOME; ls""#, &["alpine", "sh", "-c", "echo 'a b' $HOME; ls"]);
        check(r#"["alpine", "sh", "-c", "echo a  b"]"#, &["alpine", "sh", "-c", "echo a  b"]);
    }

    #[test]
    fn an_empty_value_means_the_default() {
        for value in ["", "  ", "true", "TRUE"] {
            assert_eq!(ImageValue::parse(value), Ok(ImageValue::Default), "{value:?}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for value in ["[]", r#"[""]"#, "''", r#"["a", 1]"#, "[a", "alpine 'sh"] {
            assert!(ImageValue::parse(value).is_err(), "{value:?}");
        }
    }
}
