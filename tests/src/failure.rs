//! What a failing test said first, to be said again after the tables that follow: who reads only the end of a long
//! output still reads why.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

thread_local! {
    static FIRST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Keeps from now on what each thread says when it first panics.
pub(crate) fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            FIRST.with_borrow_mut(|first| {
                first.get_or_insert_with(|| info.to_string());
            });
            before(info);
        }));
    });
}

/// Prints `state`, and then again what this thread said when it first panicked.
pub(crate) fn tell(state: &str) {
    let first = FIRST.with_borrow(|first| first.clone().unwrap_or_default());
    eprintln!("{state}\n{first}");
}
