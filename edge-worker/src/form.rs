//! Forms: one version number for all data that leaves a process or outlives it.
//!
//! | form | messages | stored profiles | bundles | storage |
//! |---|---|---|---|---|
//! | 1, of release 0.1.0 | begin with their tag | their form 2 | formats 1 and 2 | without a form |
//! | 2 | begin with a mark, their form and the newest one that their sender reads | their form 3 | format 3, too | says its form in the table `meta` |
//!
//! A build reads every form up to [`Form::NEWEST`]. The deployment sets the form to write, because old and new code run
//! at the same time during a release, and code may be rolled back: the previous release can read what is written until an
//! operator decides otherwise. Storage records the newest form written to it, and nothing older is written
//! there again. Data of a newer build is *too new*: the answer is 503, and the data is never treated as damaged.

use usher_engine::profile::codec;

/// A form that this build reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// The form of release 0.1.0.
    One = 1,
    /// The present form.
    Two = 2,
}

impl Form {
    /// The newest form that this build reads.
    pub const NEWEST: Form = Form::Two;

    const ALL: [Form; 2] = [Form::One, Form::Two];

    /// Its number.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The form of this number; None if this build does not know it.
    pub fn of_number(number: i64) -> Option<Form> {
        Form::ALL.into_iter().find(|form| i64::from(form.number()) == number)
    }

    /// The form in a deployment's setting; None if it is empty.
    ///
    /// # Errors
    ///
    /// The allowed values, in one sentence.
    ///
    /// # Examples
    ///
    /// ```
    /// use usher_edge::Form;
    ///
    /// assert_eq!(Form::of_setting("2"), Ok(Some(Form::Two)));
    /// assert_eq!(Form::of_setting(""), Ok(None));
    /// assert!(Form::of_setting("3").is_err());
    /// ```
    pub fn of_setting(text: &str) -> Result<Option<Form>, String> {
        match text.trim() {
            "" => Ok(None),
            text => match text.parse().ok().and_then(Form::of_number) {
                Some(form) => Ok(Some(form)),
                None => Err("USHER_FORM: this build writes forms 1 and 2".to_owned()),
            },
        }
    }

    /// The newest form that both this build and one that reads up to this number can read; None if the number is not a
    /// form.
    pub(crate) fn shared_with(reads: u8) -> Option<Form> {
        Form::ALL.into_iter().rfind(|form| form.number() <= reads)
    }

    /// The form of stored profiles.
    pub const fn of_profiles(self) -> codec::Form {
        match self {
            Form::One => codec::Form::Two,
            Form::Two => codec::Form::Three,
        }
    }
}

/// The form to write: never older than the deployment's setting, nor than the stored data.
#[derive(Debug)]
pub(crate) struct Written {
    said: Option<Form>,
    form: Form,
    /// True if storage is in a form that this build does not know.
    too_new: bool,
}

impl Written {
    /// The newest form, for processes that share data with no other build.
    pub(crate) const fn alone() -> Written {
        Written { said: None, form: Form::NEWEST, too_new: false }
    }

    /// The form that the deployment sets; without a setting, 0.1.0 may still share its data.
    pub(crate) fn as_said(said: Option<Form>) -> Written {
        Written { said, form: said.unwrap_or(Form::One), too_new: false }
    }

    pub(crate) fn form(&self) -> Form {
        self.form
    }

    pub(crate) fn is_too_new(&self) -> bool {
        self.too_new
    }

    /// Takes the form of stored data into account (0: storage names none). None: a newer build wrote it.
    pub(crate) fn meet(&mut self, stored: i64) -> Option<Form> {
        match Form::of_number(stored.max(1)) {
            Some(stored) => self.form = self.form.max(stored),
            None => self.too_new = true,
        }
        (!self.too_new).then_some(self.form)
    }

    /// The reason why another form is written than the deployment sets.
    pub(crate) fn complaint(&self) -> Option<String> {
        let said = self.said.filter(|said| *said < self.form)?;
        let (said, form) = (said.number(), self.form.number());
        Some(format!(
            "form {said} is set, but data was written in form {form} already: form {form} is still written; set that"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_forms() {
        for form in Form::ALL {
            assert_eq!(Form::of_number(i64::from(form.number())), Some(form));
            assert_eq!(Form::shared_with(form.number()), Some(form));
        }
        assert_eq!((Form::of_number(0), Form::of_number(3), Form::of_number(-1)), (None, None, None));
        assert_eq!((Form::shared_with(0), Form::shared_with(200)), (None, Some(Form::NEWEST)));
        assert_eq!((Form::of_setting(""), Form::of_setting(" 2 ")), (Ok(None), Ok(Some(Form::Two))));
        assert!(["3", "0", "two", "1.0"].into_iter().all(|text| Form::of_setting(text).is_err()));
    }

    #[test]
    fn the_form_is_raised_and_never_lowered() {
        let met = |said, stored| {
            let mut written = Written::as_said(said);
            (written.meet(stored), written.complaint().is_some())
        };
        // Without a setting, data that 0.1.0 may share keeps its form, and so does data in form 2.
        assert_eq!([0, 1, 2].map(|stored| met(None, stored).0), [Form::One, Form::One, Form::Two].map(Some));
        assert!(!met(None, 2).1);
        for stored in 0..=2 {
            assert_eq!(met(Some(Form::Two), stored), (Some(Form::Two), false));
        }
        assert_eq!(met(Some(Form::One), 1), (Some(Form::One), false));
        assert_eq!(met(Some(Form::One), 2), (Some(Form::Two), true));
        assert_eq!(met(Some(Form::Two), 3), (None, false));
    }
}
