//! Models: what the file says, and the variables that their vendors have made customary.

use std::collections::BTreeMap;

use heartbeat_agent::ModelSettings;
use heartbeat_agent::settings::{Dialect, NamedModel, Secret};
use heartbeat_domain::budget::{MICRO, Rates};
use serde::Deserialize;

use super::Environment;

/// `[models]`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ModelsConfig {
    pub(crate) default: Option<String>,
    /// Where LM Studio listens.
    lm_studio: Option<String>,
    /// Where llama-server listens.
    llama_server: Option<String>,
    pub(crate) named: BTreeMap<String, NamedConfig>,
    pub(crate) rates: BTreeMap<String, RatesConfig>,
}

/// `[models.named.NAME]`.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NamedConfig {
    dialect: DialectConfig,
    base_url: String,
    #[serde(default)]
    api_key: Option<String>,
    model: String,
    #[serde(default)]
    max_in_flight: Option<usize>,
}

impl std::fmt::Debug for NamedConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NamedConfig")
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DialectConfig {
    OpenAi,
    Anthropic,
    Gemini,
}

/// `[models.rates.NAME]`: credits for 1,000 tokens.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RatesConfig {
    input: f64,
    cached_input: Option<f64>,
    output: f64,
}

impl ModelsConfig {
    /// The settings of the models, with keys and addresses from the environment.
    pub(crate) fn settings(&self, environment: &Environment) -> anyhow::Result<ModelSettings> {
        let text = |name: &str| {
            environment
                .get(name)
                .filter(|text| !text.is_empty())
                .cloned()
        };
        let secret = |name: &str| text(name).and_then(Secret::new);
        let named = self
            .named
            .iter()
            .map(|(name, model)| (name.clone(), model.named()))
            .collect();
        let mut rates = BTreeMap::new();
        for (name, config) in &self.rates {
            rates.insert(name.clone(), config.rates(name)?);
        }
        Ok(ModelSettings {
            default_model: self.default.clone(),
            openai_api_key: secret("OPENAI_API_KEY"),
            openai_base_url: text("OPENAI_BASE_URL"),
            anthropic_api_key: secret("ANTHROPIC_API_KEY"),
            anthropic_base_url: text("ANTHROPIC_BASE_URL"),
            gemini_api_key: secret("GEMINI_API_KEY"),
            gemini_base_url: text("GEMINI_BASE_URL"),
            ollama_host: text("OLLAMA_HOST"),
            lm_studio_url: self.lm_studio.clone(),
            llama_server_url: self.llama_server.clone(),
            named,
            rates,
            ..ModelSettings::default()
        })
    }
}

impl NamedConfig {
    fn named(&self) -> NamedModel {
        NamedModel {
            dialect: match self.dialect {
                DialectConfig::OpenAi => Dialect::OpenAi,
                DialectConfig::Anthropic => Dialect::Anthropic,
                DialectConfig::Gemini => Dialect::Gemini,
            },
            base_url: self.base_url.clone(),
            api_key: self.api_key.clone().and_then(Secret::new),
            model: self.model.clone(),
            max_in_flight: self.max_in_flight,
        }
    }
}

impl RatesConfig {
    fn rates(&self, name: &str) -> anyhow::Result<Rates> {
        let micro = |credits: f64| -> anyhow::Result<u64> {
            if !(0.0..=1_000_000.0).contains(&credits) {
                anyhow::bail!(
                    "models.rates.{name}: a rate must be between 0 and 1,000,000 credits"
                );
            }
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "between 0 and 10^12, as checked above"
            )]
            Ok((credits * MICRO as f64).round() as u64)
        };
        Ok(Rates {
            input: micro(self.input)?,
            cached_input: micro(self.cached_input.unwrap_or(self.input))?,
            output: micro(self.output)?,
        })
    }
}
