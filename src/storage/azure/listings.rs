//! Listings in which a blob has no type of content. Azure names one for each blob; Azurite leaves it out where a blob was put without
//! one, as Hadoop puts those that stand for folders. The object store does not read such a listing.

const BEGIN: &str = "<Properties>";
const END: &str = "</Properties>";
const TYPE: &str = "<Content-Type";
const NO_TYPE: &str = "<Content-Type></Content-Type>";

/// `listing` with a type of content, the empty one, for each blob that lacks it; `None` if none does.
pub(super) fn with_types(listing: &str) -> Option<String> {
    let mut mended = String::new();
    let mut rest = listing;
    while let Some((before, behind)) = rest.split_once(END) {
        let properties = before.rsplit_once(BEGIN).map_or(before, |(_, properties)| properties);
        mended.push_str(before);
        if !properties.contains(TYPE) {
            mended.push_str(NO_TYPE);
        }
        mended.push_str(END);
        rest = behind;
    }
    mended.push_str(rest);
    (mended.len() != listing.len()).then_some(mended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_without_a_type_get_the_empty_one_and_others_keep_theirs() {
        let blob = |properties: &str| format!("<Blob><Name>a</Name><Properties>{properties}</Properties></Blob>");
        let [none, empty, some] = ["<Etag>1</Etag>", "<Content-Type/>", "<Content-Type>text/csv</Content-Type>"];
        let all = format!("<Blobs>{}{}{}</Blobs>", blob(some), blob(none), blob(empty));
        let expected = format!("<Blobs>{}{}{}</Blobs>", blob(some), blob(&format!("{none}{NO_TYPE}")), blob(empty));
        assert_eq!(with_types(&all), Some(expected));
        assert_eq!(with_types(&format!("<Blobs>{}{}</Blobs>", blob(some), blob(empty))), None);
        assert_eq!(with_types("<Blobs/>"), None);
        assert_eq!(with_types("</Properties>"), Some(format!("{NO_TYPE}</Properties>")));
    }
}
