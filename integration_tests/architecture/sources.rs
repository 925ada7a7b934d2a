//! Reads Rust sources as far as the rules need it: tokens, what stands under `#[cfg(test)]`, and paths.

/// A word, a number, `::` or a single sign.
#[derive(Clone, Copy)]
pub struct Token<'a> {
    pub text: &'a str,
    pub line: usize,
}

impl Token<'_> {
    /// Whether it is a string, a character or a byte of them.
    pub fn is_literal(&self) -> bool {
        self.text.ends_with(['"', '\'', '#']) && self.text.len() > 1
    }

    fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphanumeric() || c == '_')
    }
}

/// Words, numbers, `::` and single signs, without comments, literals and lifetimes.
pub fn tokens(text: &str) -> Vec<Token<'_>> {
    tokens_and_literals(text).into_iter().filter(|token| !token.is_literal()).collect()
}

/// The same with literals, each a token.
pub fn tokens_and_literals(text: &str) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = literal(rest) {
            found.push(Token { text: &rest[..length], line });
            length
        } else if c == '\'' {
            // A lifetime: the quote and its word.
            1 + rest[1..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len() - 1)
        } else {
            let length = if word > 0 {
                word
            } else if rest.starts_with("::") {
                2
            } else {
                c.len_utf8()
            };
            if !c.is_whitespace() {
                found.push(Token { text: &rest[..length], line });
            }
            length
        };
        line += rest[..length].matches('\n').count();
        at += length;
    }
    found
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (1, 2);
    while depth > 0 && at < rest.len() {
        let (step, change) = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        depth += change;
        at += step;
    }
    at
}

/// The length of the string or character literal that `rest` begins with, if it begins with one.
fn literal(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r", "b", "c", ""].into_iter().find(|prefix| rest.starts_with(prefix))?;
    let quoted = &rest[prefix.len()..];
    let hashes = if prefix.ends_with('r') { quoted.len() - quoted.trim_start_matches('#').len() } else { 0 };
    if prefix.ends_with('r') && quoted[hashes..].starts_with('"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let start = prefix.len() + hashes + 1;
        return Some(start + rest[start..].find(&end)? + end.len());
    }
    let quote = quoted.chars().next().filter(|c| *c == '"' || (*c == '\'' && matches!(prefix, "" | "b")))?;
    let mut inside = quoted.char_indices().skip(1).peekable();
    if quote == '\'' {
        let (_, first) = inside.next()?;
        // `'a` without a quote behind it is a lifetime.
        return if first == '\\' {
            let (escaped, _) = inside.next()?;
            let end = quoted[escaped + 1..].find('\'')?;
            Some(prefix.len() + escaped + 1 + end + 1)
        } else {
            inside.next().filter(|(_, c)| *c == '\'').map(|(end, _)| prefix.len() + end + 1)
        };
    }
    while let Some((at, c)) = inside.next() {
        match c {
            '\\' => drop(inside.next()),
            '"' => return Some(prefix.len() + at + 1),
            _ => {}
        }
    }
    None
}

/// Leaves out every item that stands under `#[cfg(test)]`.
pub fn without_tests(tokens: Vec<Token<'_>>) -> Vec<Token<'_>> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        if rest.len() < MARK.len() || rest.iter().zip(MARK).any(|(token, mark)| token.text != mark) {
            kept.push(tokens[at]);
            at += 1;
            continue;
        }
        let (mut depth, mut attribute, mut is_use) = (0_i32, false, false);
        for token in rest {
            at += 1;
            match token.text {
                "#" if depth == 0 => attribute = true,
                "use" if depth == 0 => is_use = true,
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => {
                    depth -= 1;
                    if depth == 0 && token.text == "}" && !is_use {
                        break;
                    }
                    attribute = false;
                }
                ";" if depth == 0 && !attribute => break,
                _ => {}
            }
        }
    }
    kept
}

/// Every path of the file, from the crate's root where it is one of this crate's, and its line. The trees of `use` are
/// spelled out.
pub fn paths(file: &str, tokens: &[Token<'_>]) -> Vec<(usize, String)> {
    let mut module: Vec<String> = file.trim_end_matches(".rs").split('/').map(ToOwned::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "main" | "lib")) {
        module.pop();
    }
    let (mut found, mut inline, mut depth, mut at) = (Vec::new(), Vec::new(), 0, 0);
    while at < tokens.len() {
        let text = tokens[at].text;
        match text {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                if inline.last() == Some(&depth) {
                    inline.pop();
                    module.pop();
                }
            }
            _ => {}
        }
        if text == "mod" && tokens.get(at + 2).is_some_and(|token| token.text == "{") {
            inline.push(depth);
            module.push(tokens[at + 1].text.to_owned());
        }
        let is_use = at > 0 && tokens[at - 1].text == "use";
        let is_path = tokens[at].is_word() && tokens.get(at + 1).is_some_and(|next| next.text == "::");
        if is_use || is_path {
            let mut spelled = Vec::new();
            let begun = at;
            spell(tokens, &mut at, &[], &mut spelled);
            found.extend(spelled.into_iter().map(|(line, path)| (line, absolute(&module, &path))));
            at = at.max(begun + 1);
        } else {
            at += 1;
        }
    }
    found
}

/// Reads the path or the tree of paths at `at`, behind the segments `before`.
fn spell<'a>(tokens: &[Token<'a>], at: &mut usize, before: &[&'a str], found: &mut Vec<(usize, Vec<&'a str>)>) {
    let mut path = before.to_vec();
    while let Some(token) = tokens.get(*at) {
        if token.text == "{" && *at > 0 && matches!(tokens[*at - 1].text, "::" | "use") {
            *at += 1;
            while tokens.get(*at).is_some_and(|token| token.text != "}") {
                let begun = *at;
                spell(tokens, at, &path, found);
                *at = (*at).max(begun + 1);
            }
            *at += 1;
            return;
        }
        if token.is_word() {
            path.push(token.text);
            *at += 1;
        }
        if tokens.get(*at).is_none_or(|next| next.text != "::") {
            if path.len() > before.len() || token.text == "*" {
                found.push((token.line, path));
            }
            return;
        }
        *at += 1;
    }
}

/// `path`, seen from `module`, from the crate's root if it is one of this crate's.
fn absolute(module: &[String], path: &[&str]) -> String {
    let supers = path.iter().take_while(|segment| **segment == "super").count();
    let base = match path.first() {
        Some(&("crate" | "destination_databricks")) => &[][..],
        Some(&"self") => module,
        Some(&"super") => &module[..module.len().saturating_sub(supers)],
        _ => return path.iter().filter(|segment| **segment != "self").copied().collect::<Vec<_>>().join("::"),
    };
    let rest = path.iter().skip(supers.max(1)).filter(|segment| **segment != "self").copied();
    std::iter::once("crate").chain(base.iter().map(String::as_str)).chain(rest).collect::<Vec<_>>().join("::")
}
