//! One self-contained HTML page around charts and tables.
//!
//! Owns the page's style and the escaping of text. It loads nothing from anywhere. Used by `plot`
//! and `tune`.

use std::fmt::Write as _;

use super::Chart;

/// A page with a title, lines of introduction, charts, and tables of text.
pub(crate) fn page(
    title: &str,
    introduction: &[String],
    charts: &[Chart],
    tables: &[(String, String)],
) -> String {
    let mut body = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(body, "<h1>{}</h1>", escape(title));
    for line in introduction {
        let _ = writeln!(body, "<p>{}</p>", escape(line));
    }
    for chart in charts {
        let _ = writeln!(body, "<figure>{}</figure>", chart.svg());
    }
    for (heading, text) in tables {
        let _ = writeln!(body, "<h2>{}</h2>\n<pre>{}</pre>", escape(heading), escape(text));
    }
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escape(title)
    )
}

const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:800px;margin:2em auto;padding:0 1em;\
    color:#222;background:#fff}h1{font-size:1.4em}h2{font-size:1.1em}figure{margin:1em 0}\
    svg{max-width:100%;height:auto}pre{overflow-x:auto;padding:.8em;background:#f3f3f3}\
    @media(prefers-color-scheme:dark){body{color:#e6e6e6;background:#16181d}\
    pre{background:#22252c}}";

/// Text that may stand in HTML and in SVG.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // No control character is allowed in XML but these.
            '\n' | '\t' => escaped.push(character),
            character if character.is_control() => escaped.push('\u{fffd}'),
            character => escaped.push(character),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_break_out_of_the_page() {
        let table = ("<b>".to_owned(), "a & \"b\"\u{1}".to_owned());
        let page = page("</title><script>", &["<p>".into()], &[], &[table]);
        assert!(!page.contains("<script>") && !page.contains("<b>"), "{page}");
        assert!(page.contains("a &amp; &quot;b&quot;\u{fffd}"), "{page}");
        assert!(page.contains("<title>&lt;/title&gt;&lt;script&gt;</title>"), "{page}");
    }
}
