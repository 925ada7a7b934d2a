//! What is noted of values that are not what the source sent.

use super::json::Raw;
use super::misfit::Misfit;
use super::notes::{Path, Step};
use super::plan::Rules;
use super::reader::{Object, Place, Reader};

impl Reader<'_> {
    /// A value that does not fit is noted: its name, and with the rules of the older connector the value too.
    pub(super) fn misfit(&mut self, place: &Place<'_>, key: &[u8], value: Raw<'_>, misfit: Misfit) {
        self.change(place, misfit);
        if self.plan.rules == Rules::Classic {
            self.count();
            self.notes.keep(key, Some(value), true);
        }
    }

    /// A value is not what the source sent. Rows of the older connector cannot say so: there it is noted only where rows are taken for
    /// others.
    pub(super) fn change(&mut self, place: &Place<'_>, misfit: Misfit) {
        let is_guarded = place.role.is_some_and(|role| role.minds(misfit));
        match self.plan.rules {
            Rules::Columns => {
                if self.notes.change(&place.path, misfit, is_guarded) {
                    self.count();
                }
            }
            Rules::Classic => {
                if is_guarded {
                    self.notes.change(&place.path, misfit, true);
                }
            }
        }
    }

    /// The value of `key` is replaced by a later one: what was noted of it does not count.
    pub(super) fn forget(&mut self, key: &[u8], Object { parent, mark, .. }: Object<'_>) {
        let path = Path { parent, step: Step::Key(key) };
        let changes = match self.plan.rules {
            Rules::Columns => self.notes.forget(mark, &path),
            Rules::Classic => {
                self.notes.forget_changes(mark, &path);
                self.notes.forget_misfits(mark, key)
            }
        };
        if let Some(count) = self.misfits.get_mut(self.root) {
            *count = count.saturating_sub(changes as u64);
        }
    }

    fn count(&mut self) {
        if let Some(count) = self.misfits.get_mut(self.root) {
            *count += 1;
        }
    }
}
