//! Streams that end badly, are too large, or are no chat at all.

use super::*;

#[test]
fn what_is_no_chunk_passes() {
    let strange = [
        ": a comment\n\n",
        "event: x\nid: 1\n\n",
        "data: not json\n\n",
        "data: [1]\n\n",
        "data: {\"choices\":{}}\n\n",
        "data: {\"choices\":[1]}\n\n",
        "data: {\"choices\":[{\"index\":-1,\"delta\":{\"content\":\"a\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":[\"a\"]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":[]}]}\n\n",
        "\n",
    ];
    for strange in strange {
        let input = [text("a"), strange.into(), text("b"), finish("stop"), DONE.into()].concat();
        assert_eq!(rewrite(&usual(), &input, End::Clean).0, input);
    }
}
