//! Any text as a request with its policies: what is read is answered, and each document reads the same again.
#![no_main]

use reconcile::policy::{Document, Questions};

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(document) = Document::parse(text) {
        let json = document.to_json();
        assert_eq!(Document::read(&json).as_ref(), Ok(&document));
        assert_eq!(Document::parse(&json.to_string()).as_ref(), Ok(&document));
    }
    let questions = match Questions::parse(text) {
        Ok(Questions::One(question)) => vec![*question],
        Ok(Questions::Many(list)) => list,
        Err(_) => return,
    };
    for question in &questions {
        let decision = question.decide();
        assert_eq!(question.decide(), decision);
        reconcile_fuzz::plain(&reconcile::report::decision::text(question, &decision));
        reconcile::report::decision::json(question, &decision);
    }
});
