//! Reads records into columns: one pass over each text, written directly into the column builders.

use super::classic;
use super::column::{Column, Values};
use super::guarded::{Role, unnoted};
use super::json::{Json, Malformed, Text};
use super::misfit::Misfit;
use super::notes::{Mark, Notes, Path, Step};
use super::plan::{Field, Fields, Plan, Rules, Type};
use super::repeated::Repeated;
use super::scalar;
use crate::schema::naming::avro_name;

/// Reads the records of a block.
pub struct Reader<'p> {
    pub(super) plan: &'p Plan,
    pub(super) notes: Notes,
    /// How many values of each column do not fit.
    pub(super) misfits: Vec<u64>,
    /// The column that is read.
    pub(super) root: usize,
    /// Memory for a key, and for a value, that is written with escapes.
    key: Vec<u8>,
    value: Vec<u8>,
}

/// Why a value is not appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The text is no JSON.
    Malformed,
    /// It does not fit its column.
    Misfit(Misfit),
}

pub type Result<T> = std::result::Result<T, Failure>;

impl From<Malformed> for Failure {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

impl From<Misfit> for Failure {
    fn from(misfit: Misfit) -> Self {
        Self::Misfit(misfit)
    }
}

/// What is known where an object is read.
#[derive(Clone, Copy)]
pub struct Object<'a> {
    pub(super) row: usize,
    pub(super) parent: Option<&'a Path<'a>>,
    /// The notes before it.
    pub(super) mark: Mark,
    pub(super) strict: bool,
}

/// What is known where a value is read.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    pub(super) path: Path<'a>,
    /// A structure does not fit if one of its values does not.
    strict: bool,
    /// Whether every value becomes a text: in a list of texts of the older connector.
    as_text: bool,
    /// Whether the column takes values only as they are.
    is_exact: bool,
    /// What the value decides, or one in it.
    pub(super) role: Option<Role>,
}

impl<'p> Reader<'p> {
    /// Reads by `plan`.
    pub fn new(plan: &'p Plan) -> Self {
        let (misfits, notes) = (vec![0; plan.root.all.len()], Notes::without_others(plan.drops_others));
        Self { plan, notes, misfits, root: 0, key: Vec::new(), value: Vec::new() }
    }

    /// Appends the record at the beginning of `json` to `columns`, as their value number `row`, but for what of it was noted.
    pub fn record(&mut self, columns: &mut [Column], row: usize, json: &mut Json<'_>) -> Result<()> {
        self.notes.clear();
        if !json.eat(b'{') {
            return Err(Failure::Malformed);
        }
        let plan = self.plan;
        self.object(&plan.root, columns, row, json, None, false)
    }

    /// Appends the values of an object, behind its brace.
    fn object(
        &mut self,
        fields: &Fields,
        columns: &mut [Column],
        row: usize,
        json: &mut Json<'_>,
        parent: Option<&Path<'_>>,
        strict: bool,
    ) -> Result<()> {
        let mark = self.notes.mark();
        let object = Object { row, parent, mark, strict };
        let (mut is_first, mut next, mut repeated) = (true, 0, Repeated::default());
        loop {
            let (found, key) = match fields.eat_next(json, &mut is_first, &mut next) {
                Some((at, key)) => (Some(at), key),
                None => match json.key(&mut is_first)? {
                    Some(key) => (fields.find(key.exact(&mut self.key), &mut next), key),
                    None => break,
                },
            };
            let is_null = json.peek() == b'n';
            let rules = self.plan.rules;
            let found = match (found, rules) {
                (None, Rules::Classic) if is_null => classic::named(fields, key, &mut self.key),
                (None, Rules::Classic) => match self.classic_key(fields, key, json)? {
                    Some(found) => Some(found),
                    None => continue,
                },
                (found, _) => found,
            };
            if let Some(at) = found {
                let again = columns.get(at).is_some_and(|column| column.len() > row);
                if repeated.is_replaced(at, again, rules, fields, json, &mut self.value)? {
                    json.skip()?;
                    continue;
                }
            }
            if is_null {
                json.word()?;
                self.null(found, key, fields, columns, object);
                continue;
            }
            let field = found.and_then(|at| Some((at, fields.all.get(at)?, columns.get_mut(at)?)));
            let Some((at, field, column)) = field else {
                let value = json.skip()?;
                self.notes.keep_at(parent, key, Some(value));
                continue;
            };
            if parent.is_none() {
                self.root = at;
            }
            self.field(field, column, json, object)?;
        }
        if let Some(column) = fields.undeclared.and_then(|at| columns.get_mut(at)) {
            column.set_len(row);
            if let (Some(kept), Values::Map(map)) = (self.notes.kept_since(mark), column.values()) {
                map.push(kept);
                column.appended();
            }
            self.notes.take_back_kept(mark);
        } else if self.plan.rules == Rules::Classic {
            self.notes.take_back_kept(mark);
        }
        Ok(())
    }

    /// The value of a key, of the field `found` if that is one, is null: what the key had before is gone.
    fn null(
        &mut self,
        found: Option<usize>,
        key: Text<'_>,
        fields: &Fields,
        columns: &mut [Column],
        object: Object<'_>,
    ) {
        let Object { row, parent, mark, .. } = object;
        if found.is_none() && self.plan.rules == Rules::Classic {
            let name = avro_name(&String::from_utf8_lossy(key.decoded(&mut self.key)));
            if classic::is_undeclared(&name) {
                return;
            }
            if self.notes.has_kept_since(mark) {
                self.notes.keep(name.as_bytes(), None, false);
            }
        } else if found.is_none() && self.notes.has_kept_since(mark) {
            self.notes.keep_at(parent, key, None);
        }
        let Some(at) = found else { return };
        if let (Some(column), Some(field)) = (columns.get_mut(at), fields.all.get(at))
            && column.len() > row
        {
            if parent.is_none() {
                self.root = at;
            }
            column.take_back(row);
            self.forget(field.key.as_deref().unwrap_or_default(), object);
        }
    }

    pub fn field(&mut self, field: &Field, column: &mut Column, json: &mut Json<'_>, object: Object<'_>) -> Result<()> {
        let key = field.key.as_deref().unwrap_or_default();
        let Object { row, parent, strict, .. } = object;
        if column.len() > row {
            // The key came before: the last value counts.
            self.forget(key, object);
        }
        column.set_len(row);
        if parent.is_none() {
            self.notes.begin_column();
        }
        let begin = json.place();
        let path = Path { parent, step: Step::Key(key) };
        let place = Place { path, strict, as_text: false, is_exact: field.is_exact, role: field.role };
        match self.value(&field.kind, column, json, &place) {
            Err(Failure::Misfit(misfit)) => {
                column.take_back(row);
                if self.plan.rules == Rules::Classic && strict {
                    return Err(misfit.into());
                }
                // The key is seen to come again.
                column.set_len(row + 1);
                json.back_to(begin);
                let value = json.skip()?;
                self.misfit(&place, key, value, misfit);
                Ok(())
            }
            done => done,
        }
    }

    /// Appends one value, which is not null, or fails; then a part of it may be appended and what follows in `json` may be any part
    /// of the value.
    fn value(&mut self, kind: &Type, column: &mut Column, json: &mut Json<'_>, place: &Place<'_>) -> Result<()> {
        let row = column.len();
        match (kind, column.values()) {
            (Type::Struct(fields), Values::Struct(columns, _)) => {
                if !json.eat(b'{') {
                    return Err(Misfit::Type.into());
                }
                self.object(fields, columns, row, json, Some(&place.path), place.strict)?;
            }
            (Type::List(item), Values::List(ends, items)) => {
                if !json.eat(b'[') {
                    return Err(Misfit::Type.into());
                }
                self.items(item, items, ends.last(), json, place)?;
                ends.push(items.len());
            }
            (Type::Union(members, turns), Values::Struct(columns, _)) => {
                self.union((members, turns), columns, row, json, place)?;
            }
            (Type::TextMap, Values::Map(map)) => {
                if !json.eat(b'{') {
                    return Err(Misfit::Type.into());
                }
                let (mark, mut is_first) = (self.notes.mark(), true);
                while let Some(key) = json.key(&mut is_first)? {
                    let value = json.skip()?;
                    self.notes.keep_under(b"", key, value);
                }
                match self.notes.kept_since(mark) {
                    Some(kept) => map.push(kept),
                    None => map.push(std::iter::empty()),
                }
                self.notes.take_back_kept(mark);
            }
            (kind, values) => {
                let begin = json.place();
                let rules = match self.plan.rules {
                    Rules::Classic if classic::has_rule(kind) && !place.is_exact => Rules::Classic,
                    _ => Rules::Columns,
                };
                let mut change = match rules {
                    Rules::Classic => {
                        classic::append(kind, values, json, place.as_text, &mut self.value)?;
                        None
                    }
                    Rules::Columns => scalar::append(kind, values, json, &mut self.value, place.is_exact)?,
                };
                if let (None, Some(role)) = (change, place.role) {
                    let end = json.place();
                    json.back_to(begin);
                    change = unnoted(role, kind, rules, json, &mut self.value)?;
                    json.back_to(end);
                }
                match change {
                    // The rows of that layout cannot say so.
                    Some(Misfit::Rounded) if place.is_exact && self.plan.rules == Rules::Classic => {
                        return Err(Misfit::Rounded.into());
                    }
                    Some(change) => self.change(place, change),
                    None => {}
                }
            }
        }
        column.appended();
        Ok(())
    }

    /// Appends the items of a list, behind its bracket, from item `begin` on.
    fn items(
        &mut self,
        kind: &Type,
        items: &mut Column,
        begin: usize,
        json: &mut Json<'_>,
        place: &Place<'_>,
    ) -> Result<()> {
        let as_text = self.plan.rules == Rules::Classic && matches!(kind, Type::Text);
        let (mut is_first, mut count) = (true, 0);
        while json.item(&mut is_first)? {
            let row = begin + count;
            items.set_len(row);
            count += 1;
            if json.peek() == b'n' {
                json.word()?;
                continue;
            }
            let path = Path { parent: Some(&place.path), step: Step::Item(count - 1) };
            let at = json.place();
            let place = Place { path, as_text, role: None, ..*place };
            match self.value(kind, items, json, &place) {
                Err(Failure::Misfit(misfit)) if self.plan.rules == Rules::Columns => {
                    items.take_back(row);
                    json.back_to(at);
                    json.skip()?;
                    self.change(&place, misfit);
                }
                done => done?,
            }
        }
        items.set_len(begin + count);
        Ok(())
    }

    /// Appends a value to the first member that takes it: whole, or else with values in it that do not fit.
    fn union(
        &mut self,
        (members, turns): (&[Type], &[usize]),
        columns: &mut [Column],
        row: usize,
        json: &mut Json<'_>,
        place: &Place<'_>,
    ) -> Result<()> {
        let (begin, mark) = (json.place(), self.notes.mark());
        for strict in [true, false] {
            if place.strict && !strict {
                break;
            }
            for at in turns {
                let (Some(kind), Some(column)) = (members.get(*at), columns.get_mut(*at)) else { continue };
                column.set_len(row);
                let misfits = self.misfits.get(self.root).copied();
                match self.value(kind, column, json, &Place { strict, ..*place }) {
                    Err(Failure::Misfit(_)) => {
                        column.take_back(row);
                        self.notes.take_back(mark);
                        if let (Some(before), Some(count)) = (misfits, self.misfits.get_mut(self.root)) {
                            *count = before;
                        }
                        json.back_to(begin);
                    }
                    done => {
                        // A cursor's values are in the first member; what another one takes is older than all of those.
                        if done.is_ok() && *at != 0 && place.role == Some(Role::Cursor) {
                            self.change(place, Misfit::Type);
                        }
                        return done;
                    }
                }
            }
        }
        Err(Misfit::Type.into())
    }

    /// The field of a key that no property has, by the rules of the older connector: by its name in Avro. If there is none, the
    /// value is kept.
    fn classic_key(&mut self, fields: &Fields, key: Text<'_>, json: &mut Json<'_>) -> Result<Option<usize>> {
        let name = avro_name(&String::from_utf8_lossy(key.decoded(&mut self.key)));
        if classic::is_undeclared(&name) && json.peek() == b'{' {
            let mut is_first = json.eat(b'{');
            while let Some(key) = json.key(&mut is_first)? {
                let value = json.skip()?;
                self.notes.keep_under(name.as_bytes(), key, value);
            }
            return Ok(None);
        }
        let found = fields.named(&name).filter(|_| !classic::is_undeclared(&name));
        if found.is_none() {
            let value = json.skip()?;
            self.notes.keep(name.as_bytes(), Some(value), false);
        }
        Ok(found)
    }
}
