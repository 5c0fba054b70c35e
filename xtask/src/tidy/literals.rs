//! String literals of a Rust source, with the line on which each begins. Comments hold none.

/// All string literals: plain, byte and raw.
pub(super) fn strings(source: &str) -> Vec<(usize, String)> {
    let chars: Vec<char> = source.chars().collect();
    let mut reader = Reader {
        chars: &chars,
        at: 0,
        line: 1,
        found: Vec::new(),
    };
    while reader.at < chars.len() {
        reader.step();
    }
    reader.found
}

struct Reader<'a> {
    chars: &'a [char],
    at: usize,
    line: usize,
    found: Vec<(usize, String)>,
}

impl Reader<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek(0)?;
        self.at += 1;
        self.line += usize::from(next == '\n');
        Some(next)
    }

    fn step(&mut self) {
        match (self.peek(0), self.peek(1)) {
            (Some('/'), Some('/')) => while self.next().is_some_and(|char| char != '\n') {},
            (Some('/'), Some('*')) => self.block_comment(),
            (Some('"'), _) => self.plain(),
            (Some('r'), Some('"' | '#')) if !self.follows_a_word() => self.raw(),
            (Some('\''), _) => self.quote(),
            _ => {
                self.next();
            }
        }
    }

    /// Whether the `r` at hand ends a name, such as `for`; `br` begins a raw byte string.
    fn follows_a_word(&self) -> bool {
        let before = |back: usize| self.at.checked_sub(back).map(|at| self.chars[at]);
        let is_word =
            |char: Option<char>| char.is_some_and(|char| char.is_alphanumeric() || char == '_');
        match before(1) {
            Some('b' | 'c') => is_word(before(2)),
            char => is_word(char),
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        loop {
            match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => (depth, self.at) = (depth + 1, self.at + 2),
                (Some('*'), Some('/')) => (depth, self.at) = (depth - 1, self.at + 2),
                (None, _) => return,
                _ => {
                    self.next();
                }
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn plain(&mut self) {
        let line = self.line;
        let mut text = String::new();
        self.next();
        while let Some(char) = self.next() {
            match char {
                '"' => break,
                '\\' => text.extend(self.next()),
                char => text.push(char),
            }
        }
        self.found.push((line, text));
    }

    fn raw(&mut self) {
        let line = self.line;
        let hashes = self.chars[self.at + 1..]
            .iter()
            .take_while(|char| **char == '#')
            .count();
        if self.peek(1 + hashes) != Some('"') {
            self.next();
            return;
        }
        self.at += 2 + hashes;
        let end: Vec<char> = std::iter::once('"')
            .chain(std::iter::repeat_n('#', hashes))
            .collect();
        let mut text = String::new();
        while self.at < self.chars.len() && !self.chars[self.at..].starts_with(&end) {
            text.extend(self.next());
        }
        self.at = (self.at + end.len()).min(self.chars.len());
        self.found.push((line, text));
    }

    /// A character, or a lifetime, which has no closing quote.
    fn quote(&mut self) {
        self.at += match (self.peek(1), self.peek(2)) {
            (Some('\\'), _) => {
                let from = self.at + 3;
                let rest = self.chars.get(from..).unwrap_or_default();
                3 + rest
                    .iter()
                    .position(|char| *char == '\'')
                    .map_or(0, |end| end + 1)
            }
            (_, Some('\'')) => 3,
            _ => 1,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Vec<String> {
        strings(source).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn strings_of_every_kind_are_found_and_comments_are_not() {
        let source = concat!(
            "// \"comment\"\n/* \"block /* nested */\" */\n",
            "let a = \"plain \\\" quote\"; let b = r#\"raw \" quote\"#;\n",
            "let c = br\"bytes\"; let d = b\"more\";\n",
        );
        assert_eq!(
            texts(source),
            ["plain \" quote", "raw \" quote", "bytes", "more"]
        );
        assert_eq!(strings(source)[0].0, 3);
    }

    #[test]
    fn quotes_lifetimes_and_names_do_not_confuse_it() {
        let source = "fn f<'a>(x: &'a str) { let c = ['\"', '\\'', '\\u{22}']; for\"x\"; r#type }";
        assert_eq!(texts(source), ["x"]);
        assert_eq!(texts("\"never closed"), ["never closed"]);
        assert_eq!(texts("r#\"never closed"), ["never closed"]);
    }
}
