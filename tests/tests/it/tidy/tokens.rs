//! The rules that need tokens: function length, where `unsafe` may stand, its comments, macros.
//!
//! It lexes by `proc-macro2`, so the words of a string or a comment are never taken for code.
//! `tree` calls it for each Rust file.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

use super::finding::Finding;

const FUNCTION_LINES_MAX: usize = 70;

/// Macros that stand for code that is not there, or for a look that was meant to be short.
const FORBIDDEN_MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// Rule 2, second half: a function has at most 70 lines, from `fn` to its closing brace.
pub(crate) fn function_length(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    each_sequence(path, text, &mut |Sequence { tokens, .. }| {
        for index in 0..tokens.len() {
            let Some(name) = function_name(&tokens[index..]) else { continue };
            let Some(body) = body_of(&tokens[index..]) else { continue };
            let first = line_of(&tokens[index]);
            let lines = body.span_close().start().line - first + 1;
            if lines > FUNCTION_LINES_MAX {
                let message = format!("{name} has {lines} lines: at most {FUNCTION_LINES_MAX}");
                findings.push(Finding::at(path, first, message));
            }
        }
    });
    findings
}

/// Rule 8: the word `unsafe` stands only where the caller allows it.
pub(crate) fn no_unsafe(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    each_sequence(path, text, &mut |Sequence { tokens, .. }| {
        for token in tokens.iter().filter(|token| is_word(token, "unsafe")) {
            let message = "unsafe code outside ring and the engine files named in tidy/tree.rs";
            findings.push(Finding::at(path, line_of(token), message));
        }
    });
    findings
}

/// Whether a file holds the word `unsafe` as code, for finding permissions nobody needs.
pub(crate) fn holds_unsafe(path: &str, text: &str) -> bool {
    !no_unsafe(path, text).is_empty()
}

/// Each unsafe block, impl and extern block has a `SAFETY:` comment right above its statement, and
/// each unsafe function a `# Safety` heading (or, where documentation has no readers, `SAFETY:`).
pub(crate) fn safety_comments(path: &str, text: &str) -> Vec<Finding> {
    let lines: Vec<&str> = text.lines().collect();
    let mut findings = Vec::new();
    each_sequence(path, text, &mut |Sequence { tokens, implements_a_trait }| {
        for index in 0..tokens.len() {
            if !is_word(&tokens[index], "unsafe") || !opens_something(&tokens[index + 1..]) {
                continue;
            }
            // Who calls a trait's unsafe function reads the promise at the trait, not here.
            if *implements_a_trait && is_word(&tokens[index + 1], "fn") {
                continue;
            }
            let line = line_of(&tokens[index]);
            if !comment_above(&lines, line) {
                findings.push(Finding::at(path, line, "unsafe without a SAFETY comment above it"));
            }
        }
    });
    findings
}

/// No macro that stands for missing code, and no debugging macro.
pub(crate) fn forbidden_macros(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    each_sequence(path, text, &mut |Sequence { tokens, .. }| {
        for pair in tokens.windows(2) {
            let bang = matches!(&pair[1], TokenTree::Punct(punct) if punct.as_char() == '!');
            let name = FORBIDDEN_MACROS.iter().find(|name| is_word(&pair[0], name));
            if let (true, Some(name)) = (bang, name) {
                findings.push(Finding::at(path, line_of(&pair[0]), format!("{name}! is left")));
            }
        }
    });
    findings
}

/// The tokens of a file, or of one bracket in it.
struct Sequence {
    tokens: Vec<TokenTree>,
    /// Whether it is the body of an `impl` of a trait.
    implements_a_trait: bool,
}

/// Calls `visit` with the tokens of the file and of each bracket in it, outer ones first.
fn each_sequence(path: &str, text: &str, visit: &mut dyn FnMut(&Sequence)) {
    let stream: TokenStream =
        text.parse().unwrap_or_else(|error| panic!("{path} does not lex as Rust: {error}"));
    let mut pending = vec![(stream, false)];
    while let Some((stream, implements_a_trait)) = pending.pop() {
        let sequence = Sequence { tokens: stream.into_iter().collect(), implements_a_trait };
        visit(&sequence);
        for (index, token) in sequence.tokens.iter().enumerate().rev() {
            if let TokenTree::Group(group) = token {
                pending.push((group.stream(), is_trait_impl(&sequence.tokens[..index])));
            }
        }
    }
}

/// Whether what stands before a bracket makes it the body of an `impl` of a trait.
fn is_trait_impl(before: &[TokenTree]) -> bool {
    let ends_an_item = |token: &&TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        _ => false,
    };
    let head = || before.iter().rev().take_while(|token| !ends_an_item(token));
    head().any(|token| is_word(token, "impl")) && head().any(|token| is_word(token, "for"))
}

fn is_word(token: &TokenTree, word: &str) -> bool {
    matches!(token, TokenTree::Ident(ident) if ident == word)
}

fn line_of(token: &TokenTree) -> usize {
    token.span().start().line
}

/// The name, where these tokens begin a function; a function pointer type has none.
fn function_name(tokens: &[TokenTree]) -> Option<String> {
    match tokens {
        [word, TokenTree::Ident(name), ..] if is_word(word, "fn") => Some(name.to_string()),
        _ => None,
    }
}

/// The braces of the function that these tokens begin; a function that is only declared has none.
fn body_of(tokens: &[TokenTree]) -> Option<&Group> {
    tokens
        .iter()
        .take_while(|token| !matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';'))
        .find_map(|token| match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
            _ => None,
        })
}

/// Whether what follows `unsafe` is a block, an impl, a trait, a function or an extern block: the
/// rest (pointer types, attributes) promises nothing by itself.
fn opens_something(after: &[TokenTree]) -> bool {
    for (index, token) in after.iter().enumerate() {
        match token {
            TokenTree::Group(group) => return group.delimiter() == Delimiter::Brace,
            TokenTree::Ident(word) if word == "fn" => {
                return function_name(&after[index..]).is_some();
            }
            TokenTree::Ident(word) if word == "impl" || word == "trait" => return true,
            // `extern`, and the name of its calling convention.
            TokenTree::Ident(_) | TokenTree::Literal(_) => {}
            TokenTree::Punct(_) => return false,
        }
    }
    false
}

/// Whether the comment above the statement that holds this line (from 1) speaks of safety. The
/// lines between may be attributes and earlier lines of the same statement, nothing else.
fn comment_above(lines: &[&str], line: usize) -> bool {
    let mut above = lines[..line - 1].iter().rev().map(|line| line.trim()).peekable();
    while let Some(text) = above.next_if(|text| !text.starts_with("//")) {
        if text.is_empty() || text.ends_with([';', '{', '}']) {
            return false;
        }
    }
    above
        .take_while(|text| text.starts_with("//") || text.starts_with("#["))
        .any(|text| text.contains("SAFETY:") || text.contains("# Safety"))
}

#[cfg(test)]
mod tests {
    use super::super::finding::{assert_fires, assert_silent};
    use super::*;

    #[test]
    fn function_over_70_lines_is_found_wherever_it_stands() {
        let inside = |lines: usize| format!("{}    ", "\n".repeat(lines - 1));
        assert_silent(&function_length("a.rs", &format!("fn a() {{{}}}", inside(70))));
        let method = format!("impl A {{\n    fn a(&self) -> u8 {{{}}}\n}}", inside(71));
        assert_fires(&function_length("a.rs", &method), 2, "a has 71 lines");
    }

    #[test]
    fn declared_functions_and_pointer_types_have_no_length() {
        let constant = format!("const C: u8 = {{{}1}};", "\n".repeat(90));
        let text = format!("type A = fn(u8);\ntrait B {{ fn b(); {constant} }}");
        assert_silent(&function_length("a.rs", &text));
    }

    #[test]
    fn unsafe_code_is_found_but_not_the_word() {
        assert_silent(&no_unsafe("a.rs", "//! unsafe\n#![deny(unsafe_code)]\n// unsafe\n"));
        assert_silent(&no_unsafe("a.rs", "const A: &str = \"unsafe { }\";\n"));
        assert_fires(&no_unsafe("a.rs", "\nfn a() { unsafe { b() } }\n"), 2, "outside ring");
        assert_fires(&no_unsafe("a.rs", "unsafe impl Send for A {}\n"), 1, "outside ring");
        assert!(holds_unsafe("a.rs", "macro_rules! a { () => { unsafe { b() } } }\n"));
    }

    #[test]
    fn unsafe_without_its_comment_is_found() {
        for (line, bad) in [
            (1, "fn a() { unsafe { b() } }"),
            (3, "fn a() {\n    // A safe place.\n    unsafe { b() }\n}"),
            (4, "fn a() {\n    // SAFETY: b is fine.\n    c();\n    unsafe { b() }\n}"),
            (3, "// SAFETY: far away.\n\nunsafe impl Send for A {}"),
            (2, "/// Does a.\npub unsafe fn a() {}"),
            (1, "unsafe extern \"C\" { fn a(); }"),
            (1, "impl A { unsafe fn a(&self) {} }"),
            (1, "trait A { unsafe fn a(&self); }"),
            (1, "impl A for B { fn a(&self) { unsafe { c() } } }"),
        ] {
            assert_fires(&safety_comments("a.rs", bad), line, "without a SAFETY comment");
        }
    }

    #[test]
    fn unsafe_with_its_comment_passes() {
        for good in [
            "fn a() {\n    // SAFETY: b is\n    // fine.\n    let b = unsafe { b() };\n}",
            "fn a() {\n    // SAFETY: b is fine.\n    let long =\n        unsafe { b() };\n}",
            "// SAFETY: A holds no pointer.\n#[cfg(unix)]\nunsafe impl Send for A {}",
            "/// Does a.\n///\n/// # Safety\n/// - b.\n#[inline]\npub unsafe fn a() {}",
            "impl<T: C> A for B<T> where T: D { unsafe fn a(&self) {} }",
            "struct A {\n    call: unsafe fn(*mut u8),\n    other: unsafe extern \"C\" fn(),\n}",
        ] {
            assert_silent(&safety_comments("a.rs", good));
        }
    }

    #[test]
    fn macros_for_missing_code_are_found() {
        let names = "fn todo() { debug_assert!(\"dbg!\".len() != 0) }";
        assert_silent(&forbidden_macros("a.rs", names));
        for name in FORBIDDEN_MACROS {
            let text = format!("fn a() {{\n    {name}!()\n}}");
            assert_fires(&forbidden_macros("a.rs", &text), 2, name);
        }
    }
}
