//! Takes out of a document what is wrong in it, so that the rest can be judged in the same run. What has no default is
//! filled in; whatever is then found wrong with a filler is not told.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::Places;
use super::mistakes::Mistake;

/// Removes what is wrong, and fills in what is missing; what follows in a list moves up, its places with it.
pub(super) fn mend(json: &mut Json, places: &mut Places, unread: &[Vec<String>], mistakes: &[Mistake]) {
    for path in unread {
        places.guessed.insert(path.clone());
        cut(json, path);
    }
    for mistake in mistakes {
        let mut path = mistake.path.clone();
        match &mistake.missing {
            // Its kind is not known yet; the next round tells.
            Some(name) => {
                if let Some(Json::Object(members)) = at(json, &path) {
                    members.insert(name.clone(), Json::Null);
                }
                path.push(name.clone());
                places.guessed.insert(path);
            }
            None if places.guessed.contains(&path) => match at(json, &path) {
                Some(value) if *value != mistake.filler => *value = mistake.filler.clone(),
                _ => {
                    path.pop();
                    cut(json, &path);
                }
            },
            None => {
                cut(json, &path);
                places.guessed.insert(path);
            }
        }
    }
    close_gaps(json, &mut Vec::new(), places);
}

fn at<'a>(json: &'a mut Json, path: &[String]) -> Option<&'a mut Json> {
    path.iter().try_fold(json, |json, part| match json {
        Json::Object(members) => members.get_mut(part),
        Json::Array(items) => items.get_mut(part.parse::<usize>().ok()?),
        _ => None,
    })
}

/// Members go at once; items of lists become nothing first, since the paths of their neighbours count them.
fn cut(json: &mut Json, path: &[String]) {
    let Some((last, around)) = path.split_last() else {
        *json = Json::Object(serde_json::Map::new());
        return;
    };
    match at(json, around) {
        Some(Json::Object(members)) => _ = members.shift_remove(last),
        Some(Json::Array(items)) => {
            if let Some(item) = last.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                *item = Json::Null;
            }
        }
        _ => {}
    }
}

fn close_gaps(json: &mut Json, path: &mut Vec<String>, places: &mut Places) {
    match json {
        Json::Object(members) => {
            for (name, member) in members.iter_mut() {
                path.push(name.clone());
                close_gaps(member, path, places);
                path.pop();
            }
        }
        Json::Array(items) => {
            for index in (0..items.len()).rev() {
                if items.get(index).is_some_and(Json::is_null) {
                    items.remove(index);
                    places.move_up(path, index);
                }
            }
            for (index, item) in items.iter_mut().enumerate() {
                path.push(index.to_string());
                close_gaps(item, path, places);
                path.pop();
            }
        }
        _ => {}
    }
}

impl Places {
    /// Forgets an item of a list, and renames those behind it.
    fn move_up(&mut self, list: &[String], gone: usize) {
        moved_up(&mut self.keys, list, gone);
        moved_up(&mut self.values, list, gone);
        moved_up(&mut self.words, list, gone);
        let mut guessed = std::mem::take(&mut self.guessed).into_iter().map(|path| (path, ())).collect();
        moved_up(&mut guessed, list, gone);
        self.guessed = guessed.into_keys().collect();
    }
}

fn moved_up<T>(map: &mut BTreeMap<Vec<String>, T>, list: &[String], gone: usize) {
    let moved = std::mem::take(map).into_iter().filter_map(|(mut path, value)| {
        let index = path.strip_prefix(list).and_then(|rest| rest.first()?.parse::<usize>().ok());
        match (index, path.get_mut(list.len())) {
            (Some(index), _) if index == gone => return None,
            (Some(index), Some(part)) if index > gone => *part = (index - 1).to_string(),
            _ => {}
        }
        Some((path, value))
    });
    *map = moved.collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::source::Mark;

    fn path(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn what_is_behind_a_gap_keeps_its_place() {
        let mut json = serde_json::json!({"files": [{"a": 1}, {"b": 2}, {"c": 3}], "x": 1});
        let mut places = Places::default();
        for (index, key) in ["files/0/a", "files/1/b", "files/2/c"].iter().enumerate() {
            let line = u32::try_from(index).expect("small");
            places.keys.insert(path(key), Mark { line, column: 1, span: 0..0 });
        }
        mend(&mut json, &mut places, &[path("files/0"), path("x"), path("files/0"), path("nowhere/1")], &[]);
        assert_eq!(json, serde_json::json!({"files": [{"b": 2}, {"c": 3}]}));
        assert_eq!(places.key(&["files", "0", "b"]).line, 1);
        assert_eq!(places.key(&["files", "1", "c"]).line, 2);
    }
}
