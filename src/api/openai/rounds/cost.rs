//! Cost of a turn: what its rounds cost, added up.

use serde_json::{Map, Value};

/// The usage of all rounds so far.
#[derive(Debug, Default)]
pub(super) struct Total {
    /// Of one round alone, as its server wrote it.
    written: Option<String>,
    sum: Option<Map<String, Value>>,
}

impl Total {
    /// Adds what another round cost. What is no object says nothing.
    pub fn add(&mut self, usage: &str) {
        let Ok(usage_read) = serde_json::from_str::<Map<String, Value>>(usage) else { return };
        match &mut self.sum {
            None => (self.written, self.sum) = (Some(usage.to_owned()), Some(usage_read)),
            Some(sum) => {
                self.written = None;
                add(sum, usage_read);
            }
        }
    }

    /// As it is told to the client, if any server has told something.
    pub fn told(&self) -> Option<String> {
        self.written.clone().or_else(|| serde_json::to_string(self.sum.as_ref()?).ok())
    }
}

/// Adds numbers at each of their places. What is no number in one of the two is as it is there that says something.
fn add(sum: &mut Map<String, Value>, more: Map<String, Value>) {
    for (key, value) in more {
        match (sum.get_mut(&key), value) {
            (Some(Value::Object(into)), Value::Object(value)) => add(into, value),
            (Some(into @ Value::Number(_)), Value::Number(value)) => {
                let whole = into.as_u64().zip(value.as_u64()).map(|(a, b)| a.saturating_add(b).into());
                let any = || into.as_f64().zip(value.as_f64()).map(|(a, b)| (a + b).into());
                if let Some(both) = whole.or_else(any) {
                    *into = both;
                }
            }
            (Some(Value::Null) | None, value) => {
                sum.insert(key, value);
            }
            (Some(_), _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rounds_cost_is_added_up_and_one_round_s_stays_as_it_was_written() {
        let mut total = Total::default();
        assert_eq!(total.told(), None);
        let first = r#"{"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 1}, "x": null}"#;
        total.add(first);
        assert_eq!(total.told().as_deref(), Some(first));
        total.add("7");
        total.add(r#"{"prompt_tokens":7,"completion_tokens":2,"prompt_tokens_details":{"cached_tokens":5},"x":0.5}"#);
        let expected =
            r#"{"prompt_tokens":12,"prompt_tokens_details":{"cached_tokens":6},"x":0.5,"completion_tokens":2}"#;
        assert_eq!(total.told().as_deref(), Some(expected));
        total.add(r#"{"prompt_tokens":18446744073709551615,"x":1}"#);
        assert!(total.told().unwrap().contains(r#""prompt_tokens":18446744073709551615"#), "it has no end");
        assert!(total.told().unwrap().contains(r#""x":1.5"#));
    }
}
