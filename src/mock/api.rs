//! The API that the mock speaks besides OpenAI's, by its name in a script and on the command line.
//! Speaks it not: each has a folder.

use std::str::FromStr;

use serde::Deserialize;

/// What a server speaks besides OpenAI's API.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    #[default]
    OpenAi,
    /// Ollama's, with its pages, of many models or of one.
    Ollama,
}

impl FromStr for Api {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "openai" => Ok(Self::OpenAi),
            "ollama" => Ok(Self::Ollama),
            _ => Err(format!("`{name}` is none of openai, ollama")),
        }
    }
}
