//! A page of HTML as text for a model: words, headings, lists, tables, and where links lead.
//!
//! Invariant: time grows with the length of the page and with nothing else. It reads tags as they come
//! and builds no tree, since a hostile page can make a tree of any parser that follows the standard far
//! larger than itself.

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{StartTag, Token, Tokenizer};
use reqwest::Url;

/// What is read from a page.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Words of its title.
    pub(super) title: String,
    /// Its text.
    pub(super) text: String,
}

/// Reads at least the first `bytes_max` bytes of a page's text; links are resolved against `base`.
pub(super) fn read(html: &str, base: &Url, bytes_max: usize) -> Page {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut reader = Reader::new(base);
    for token in Tokenizer::new_with_emitter(html, emitter) {
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => reader.start(&tag),
            Token::EndTag(tag) => reader.end(&String::from_utf8_lossy(&tag.name)),
            Token::String(words) => reader.words(&String::from_utf8_lossy(&words)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
        if reader.text.len() > bytes_max {
            break;
        }
    }
    Page {
        title: reader
            .title
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
        text: reader.text,
    }
}

/// What stands between what was written and what is written next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Line,
    Paragraph,
}

struct Reader<'a> {
    base: &'a Url,
    text: String,
    title: String,
    gap: Gap,
    /// Marks of a heading, an item or a cell, written before its first word.
    mark: String,
    /// The element whose content is left out, and how often it was opened.
    skipped: Option<(String, usize)>,
    is_in_title: bool,
    /// How many elements that keep their line ends are open.
    kept: usize,
    /// Open lists: `None` for one without numbers.
    lists: Vec<Option<usize>>,
    link: Option<String>,
    /// Whether the row has a cell already.
    row_has_cell: bool,
}

/// Elements whose content is no text of the page.
const SKIPPED: [&str; 9] = [
    "script", "style", "noscript", "template", "svg", "math", "iframe", "object", "canvas",
];

/// Lists within lists beyond this are indented no further.
const INDENT_MAX: usize = 8;

impl<'a> Reader<'a> {
    fn new(base: &'a Url) -> Self {
        Self {
            base,
            text: String::new(),
            title: String::new(),
            gap: Gap::None,
            mark: String::new(),
            skipped: None,
            is_in_title: false,
            kept: 0,
            lists: Vec::new(),
            link: None,
            row_has_cell: false,
        }
    }

    fn start(&mut self, tag: &StartTag<()>) {
        let name = String::from_utf8_lossy(&tag.name);
        if let Some((skipped, depth)) = &mut self.skipped {
            *depth += usize::from(*skipped == *name && !tag.self_closing);
            return;
        }
        if SKIPPED.contains(&&*name) {
            if !tag.self_closing {
                self.skipped = Some((name.into_owned(), 1));
            }
            return;
        }
        self.leave_room(&name);
        match &*name {
            "title" => self.is_in_title = true,
            "pre" | "textarea" => self.kept += 1,
            "ul" | "menu" => self.lists.push(None),
            "ol" => self.lists.push(Some(0)),
            "li" => self.mark = self.item(),
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                let level = usize::from(tag.name[1] - b'0');
                self.mark = "#".repeat(level) + " ";
            }
            "hr" => self.mark = "---".into(),
            "tr" => self.row_has_cell = false,
            "td" | "th" => self.start_cell(),
            "a" => {
                self.end_link();
                self.link = attribute(tag, b"href").and_then(|href| self.target(&href));
            }
            "img" => {
                if let Some(words) = attribute(tag, b"alt").filter(|words| !words.is_empty()) {
                    self.words(&format!("[image: {words}]"));
                }
            }
            _ => {}
        }
    }

    fn start_cell(&mut self) {
        if std::mem::replace(&mut self.row_has_cell, true) {
            self.mark = " | ".into();
            self.gap = Gap::None;
        }
    }

    fn end(&mut self, name: &str) {
        if let Some((skipped, depth)) = &mut self.skipped {
            if skipped == name {
                *depth -= 1;
            }
            if *depth == 0 {
                self.skipped = None;
            }
            return;
        }
        match name {
            "title" => self.is_in_title = false,
            "pre" | "textarea" => self.kept = self.kept.saturating_sub(1),
            "ul" | "ol" | "menu" => drop(self.lists.pop()),
            "a" => self.end_link(),
            _ => {}
        }
        self.leave_room(name);
    }

    fn words(&mut self, words: &str) {
        if self.skipped.is_some() {
            return;
        }
        if self.is_in_title {
            self.title.push_str(words);
        } else if self.kept > 0 {
            self.write_gap();
            self.text.push_str(words);
        } else {
            self.write(words);
        }
    }

    /// Writes with single spaces.
    fn write(&mut self, words: &str) {
        for (number, word) in words.split(char::is_whitespace).enumerate() {
            if number > 0 {
                self.gap = self.gap.max(Gap::Space);
            }
            if !word.is_empty() {
                self.write_gap();
                self.text.push_str(word);
            }
        }
    }

    fn write_gap(&mut self) {
        let gap = std::mem::replace(&mut self.gap, Gap::None);
        let is_fresh = self.text.is_empty() || self.text.ends_with('\n');
        match gap {
            Gap::Space if !is_fresh && self.mark.is_empty() => self.text.push(' '),
            Gap::Line if !is_fresh => self.text.push('\n'),
            Gap::Paragraph if self.text.is_empty() || self.text.ends_with("\n\n") => {}
            Gap::Paragraph => self.text.push_str(if is_fresh { "\n" } else { "\n\n" }),
            Gap::None | Gap::Space | Gap::Line => {}
        }
        self.text.push_str(&std::mem::take(&mut self.mark));
    }

    fn leave_room(&mut self, name: &str) {
        let gap = match name {
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "blockquote" | "pre" | "table"
            | "hr" | "dl" | "figure" => Gap::Paragraph,
            "ul" | "ol" | "menu" if self.lists.is_empty() => Gap::Paragraph,
            "br" | "div" | "li" | "tr" | "ul" | "ol" | "menu" | "section" | "article"
            | "header" | "footer" | "main" | "nav" | "aside" | "form" | "dt" | "dd" | "option"
            | "caption" | "figcaption" | "details" | "summary" | "address" | "fieldset"
            | "legend" => Gap::Line,
            _ => return,
        };
        // A mark that nothing followed belongs to nothing, but a rule is a mark of its own.
        if self.mark == "---" {
            self.write_gap();
        }
        self.mark.clear();
        self.gap = self.gap.max(gap);
    }

    fn item(&mut self) -> String {
        let indent = "  ".repeat(self.lists.len().saturating_sub(1).min(INDENT_MAX));
        match self.lists.last_mut() {
            Some(Some(number)) => {
                *number += 1;
                format!("{indent}{number}. ")
            }
            _ => format!("{indent}- "),
        }
    }

    fn end_link(&mut self) {
        let Some(target) = self.link.take() else {
            return;
        };
        if self.skipped.is_none() && !self.text.ends_with(&target) {
            self.text.push_str(&format!(" ({target})"));
        }
    }

    /// Where a link leads, unless that is within the page or nowhere that can be fetched.
    fn target(&self, href: &str) -> Option<String> {
        let href = href.trim();
        if href.is_empty() || href.starts_with('#') {
            return None;
        }
        let target = self.base.join(href).ok()?;
        matches!(target.scheme(), "http" | "https" | "mailto").then(|| target.to_string())
    }
}

fn attribute(tag: &StartTag<()>, name: &[u8]) -> Option<String> {
    let value = tag.attributes.get(name)?;
    Some(String::from_utf8_lossy(value).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(html: &str) -> String {
        let base = Url::parse("https://docs.example/a/b").unwrap();
        read(html, &base, 256 * 1024).text
    }

    #[test]
    fn headings_paragraphs_and_inline_words_stand_as_they_are_read() {
        assert_eq!(
            text("<h1>Prices</h1>\n<p>One <b>euro</b>\n  a&nbsp;day.<p>Or two.<br>Net."),
            "# Prices\n\nOne euro a\u{a0}day.\n\nOr two.\nNet.".replace('\u{a0}', " ")
        );
    }

    #[test]
    fn scripts_styles_and_drawings_are_left_out() {
        let html = "<script>if (a < b) { alert('<p>') }</script><style>p{}</style>\
                    <svg><text>M0</text><svg></svg></svg><noscript>on</noscript><p>Words";
        assert_eq!(text(html), "Words");
    }

    #[test]
    fn lists_and_tables_keep_their_shape() {
        assert_eq!(
            text("<ul><li>a<li>b<ol><li>one</li><li>two</li></ol></ul>after"),
            "- a\n- b\n  1. one\n  2. two\n\nafter"
        );
        assert_eq!(
            text("<table><tr><th>Day<th>Sum</tr><tr><td>Monday</td><td>7</td></tr></table>"),
            "Day | Sum\nMonday | 7"
        );
    }

    #[test]
    fn links_say_where_they_lead() {
        assert_eq!(
            text(
                "<a href='../c?x=1'>the list</a>, <a href='#top'>up</a>, \
                  <a href='javascript:alert(1)'>click</a>"
            ),
            "the list (https://docs.example/c?x=1), up, click"
        );
    }

    #[test]
    fn text_that_keeps_its_lines_keeps_them() {
        assert_eq!(text("<pre>a\n  b</pre>c"), "a\n  b\n\nc");
    }

    #[test]
    fn a_title_is_one_line() {
        let base = Url::parse("https://docs.example/").unwrap();
        let page = read("<title>Prices &amp;\n terms</title><p>x", &base, 1_000);
        assert_eq!(
            (page.title.as_str(), page.text.as_str()),
            ("Prices & terms", "x")
        );
    }

    #[test]
    fn pages_that_blow_up_a_tree_are_read_in_time_that_their_length_explains() {
        let deep = "<div>".repeat(200_000) + "deep";
        assert_eq!(text(&deep), "deep");
        let bold: String = (0..2_000).map(|number| format!("<b a={number}>")).collect();
        let spread = text(&(bold + &"<p>x".repeat(20_000)));
        assert!(spread.len() < 100_000);
        assert_eq!(
            text(&("<ul>".repeat(100_000) + "<li>x")),
            format!("{}- x", "  ".repeat(8))
        );
    }
}
