//! The paths in a source: what it imports, and what else its code names through modules.
//! Knows no other file; where a path leads to is found by whoever has them all.

/// What one source says.
#[derive(Default)]
pub struct Paths {
    pub found: Vec<Mention>,
    /// Whether there is any code but imports and declarations of modules.
    pub has_own_code: bool,
}

/// One path.
pub struct Mention {
    pub line: usize,
    /// The modules inside the file that it stands in.
    inside: Vec<String>,
    pub path: Vec<String>,
    /// Under which it is known from there on, if it is imported.
    pub name: Option<String>,
}

impl Paths {
    /// Reads code that has no comments and no literals.
    pub fn read(code: &str) -> Self {
        let mut words = Words { rest: code, line: 1 };
        let mut paths = Self::default();
        let (mut inside, mut braces) = (Vec::new(), Vec::new());
        while let Some(word) = words.next() {
            match word {
                "use" => {
                    let imports = words.imports(&[]);
                    paths.found.extend(imports.into_iter().map(|found| Mention { inside: inside.clone(), ..found }));
                }
                "#" => words.skip_attribute(),
                "pub" => words.skip_restriction(),
                ";" => {}
                "mod" => match words.module() {
                    Module::Elsewhere => {}
                    Module::Here(name) => {
                        braces.push(inside.len());
                        inside.push(name.to_owned());
                    }
                },
                "{" => braces.push(inside.len()),
                "}" => inside.truncate(braces.pop().unwrap_or(0)),
                word => {
                    paths.has_own_code = true;
                    let line = words.line;
                    let path = words.path(word);
                    if path.len() > 1 {
                        paths.found.push(Mention { line, inside: inside.clone(), path, name: None });
                    }
                }
            }
        }
        paths
    }
}

impl Mention {
    /// The path from the crate's root, if it does not begin with a name, and its file is this module.
    pub fn absolute(&self, module: &[String]) -> Option<Vec<String>> {
        let base = [module, self.inside.as_slice()].concat();
        let up = self.path.iter().take_while(|name| *name == "super").count();
        let (base, rest) = match self.path.first()?.as_str() {
            "crate" => (&[][..], self.path.get(1..)?),
            "self" => (base.as_slice(), self.path.get(1..)?),
            "super" => (base.get(..base.len().checked_sub(up)?)?, self.path.get(up..)?),
            _ => return None,
        };
        Some([base, rest].concat())
    }
}

/// Names, and all else letter by letter.
struct Words<'a> {
    rest: &'a str,
    line: usize,
}

/// What `mod` says.
enum Module<'a> {
    Elsewhere,
    Here(&'a str),
}

impl<'a> Words<'a> {
    fn skip_blanks(&mut self) {
        let (blanks, rest) = self.rest.split_at(self.rest.len() - self.rest.trim_start().len());
        self.line += blanks.matches('\n').count();
        self.rest = rest;
    }

    fn next(&mut self) -> Option<&'a str> {
        self.skip_blanks();
        let letter = self.rest.chars().next()?.len_utf8();
        let name = self.rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(letter.max(name));
        self.rest = rest;
        Some(word)
    }

    fn takes(&mut self, text: &str) -> bool {
        self.skip_blanks();
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Goes behind the bracket that closes the one which is next.
    fn skip_group(&mut self, open: &str, close: &str) {
        let mut depth = 0;
        while let Some(word) = self.next() {
            depth += i32::from(word == open) - i32::from(word == close);
            if depth == 0 {
                return;
            }
        }
    }

    fn skip_attribute(&mut self) {
        self.takes("!");
        self.skip_group("[", "]");
    }

    /// `pub` may be restricted: `pub(in …)`.
    fn skip_restriction(&mut self) {
        if self.rest.starts_with('(') {
            self.skip_group("(", ")");
        }
    }

    fn module(&mut self) -> Module<'a> {
        let name = self.next().unwrap_or_default();
        if self.takes("{") { Module::Here(name) } else { Module::Elsewhere }
    }

    /// A path that begins with a word; what follows `::` and is no name ends it.
    fn path(&mut self, first: &str) -> Vec<String> {
        let mut path = vec![first.to_owned()];
        while is_name(first) && self.rest.strip_prefix("::").is_some_and(is_name) {
            self.takes("::");
            path.extend(self.next().map(str::to_owned));
        }
        path
    }

    /// What `use` imports, behind what stands before a group.
    fn imports(&mut self, prefix: &[String]) -> Vec<Mention> {
        let mut path = prefix.to_vec();
        let mut found = Vec::new();
        self.takes("::");
        loop {
            if self.takes("{") {
                while !self.takes("}") && !self.rest.is_empty() {
                    found.extend(self.imports(&path));
                    self.takes(",");
                }
                return found;
            }
            let Some(word) = self.next() else { return found };
            let line = self.line;
            if word != "self" || path.is_empty() {
                path.push(word.to_owned());
            }
            if self.takes("::") {
                continue;
            }
            let name = if self.takes("as ") { self.next() } else { path.last().map(String::as_str) };
            let name = name.map(str::to_owned);
            found.push(Mention { line, inside: Vec::new(), path, name });
            return found;
        }
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}
