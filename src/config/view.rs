//! What clients see of the servers behind the gateway.
//! Knows no requests; `proxy` holds them to this.

use super::fields::{Fields, Reader};

/// What clients see of the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The servers' own pages that clients do not reach, each with everything below it.
    pub hidden: Vec<&'static str>,
}

impl Default for View {
    fn default() -> Self {
        Self { hidden: PAGES.to_vec() }
    }
}

impl Reader<'_> {
    pub(super) fn view(&mut self, fields: &Fields<'_>) -> View {
        let mut view = View::default();
        let words = PAGES.map(|page| (page, page));
        for node in fields.find("expose").map_or(&[][..], |node| self.items(node, "expose")) {
            let exposed = self.choice(node, "page to expose", &words);
            view.hidden.retain(|page| Some(*page) != exposed);
        }
        view
    }
}

/// Pages of llama-server that show other clients' prompts, or change what everybody gets.
const PAGES: [&str; 6] = ["/lora-adapters", "/metrics", "/models/load", "/models/unload", "/props", "/slots"];
