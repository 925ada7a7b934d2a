//! What a comment of the text may hold. An interactive zsh takes `#` for the name of a command until it is told otherwise, so every comment
//! consists of words that no shell expands, redirects or runs, whatever a configuration has in its values.

/// Signs that mean nothing to a shell wherever they stand.
const HARMLESS: &str = ".,:-_/@+%’…–—";

/// `text` with nothing that means something to a shell: quotes and angle brackets are left out, an apostrophe is a typographic one, a
/// semicolon a comma, and any other such sign `_`.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '`' | '"' | '<' | '>' => {}
            '\'' => plain.push('’'),
            ';' => plain.push(','),
            // At the beginning of a word, zsh puts the path of a program in its place.
            '=' if plain.ends_with(char::is_alphanumeric) => plain.push(sign),
            sign if sign.is_alphanumeric() || sign.is_whitespace() || HARMLESS.contains(sign) => plain.push(sign),
            _ => plain.push('_'),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_sign_of_a_shell_stays() {
        assert_eq!(plain("the account's `id`, <account-id>: o=1 (a); b"), "the account’s id, account-id: o=1 _a_, b");
        assert_eq!(
            plain("a $(touch pwn) & b | c > d =ls ~ * ? [x] {y} !z \\ #"),
            "a __touch pwn_ _ b _ c  d _ls _ _ _ _x_ _y_ _z _ _"
        );
        assert!(!plain("\u{202e}\u{1b}[201~").contains(char::is_control));
    }
}
