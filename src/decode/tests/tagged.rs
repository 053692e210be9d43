//! Parameters in tags of other kinds: names that nothing ends, tags before values, types in the text, data in CDATA.

use super::*;

/// Nothing stands around the name, and each value has a tag before it.
fn keyed() -> Case {
    own("reasoning: { open: [\"<think>\"], close: [\"</think>\"], call: ends }\n\
         call: { open: [\"<call>\"], close: [\"</call>\"], end_tokens: [\"<eot>\"] }\n\
         payload: { tagged: { name: [\"\", \"\"], key: [[\"<k>\", \"-<k>\"], \"</k>\"], value: [\"<v>\", \"</v>\"], close: \"\", trim: \"\" } }")
}

t!(a_name_may_end_where_the_next_markup_begins, keyed(),
    "<call>bash<k>command</k><v>ls</v></call>" => r#"call bash / args {"command":"ls"} / end"#,
    "<call>\nget_weather\n<k>\ncity\n</k>\n<v> a\n</v>\n-<k>days</k> <v>3</v>\n</call>\nso"
        => r#"call get_weather / args {"city":" a\n","days":3} / end / text "\nso""#,
    "<call>get_time</call><call>get_time\n</call> <call>bash {\"command\": \"ls\"}</call>"
        => r#"call get_time / args {} / end / call get_time / args {} / end / call bash / args {"command": "ls"} / end"#,
    "<think>hm<call>bash<k>command</k><v>ls</v></call>" => r#"think "hm" / call bash / args {"command":"ls"} / end"#,
    // No closers.
    "<call>bash<k>command</k><v>ls</v>" => r#"call bash / args {"command":"ls"} / end"#,
    "<call>bash<k>command</k><v>ls</v><call>get_time</call>"
        => r#"call bash / args {"command":"ls"} / end / call get_time / args {} / end"#,
    "<call>get_weather<k>city</k><v>a<k>days</k><v>1</v></call>" => r#"call get_weather / args {"city":"a<k>days</k><v>1"} / end"#,
    // A closer with a wrong letter, which a call behind it shows to be one.
    "<call>get_weather<k>days</k><v>3</v></cal>\n<call>get_time</call>"
        => r#"call get_weather / args {"days":3} / end / call get_time / args {} / end"#,
    "<call>bash<k>command</k><v>ls</v></ca\"l>\n<call>bash<k>command</k><v>a</v></call>"
        => r#"call bash / args {"command":"ls"} / end / call bash / args {"command":"a"} / end"#,
    "<call>get_weather<k>days</k><v>3</v>\"\n</call>\n<call>get_time</call>"
        => r#"call get_weather / args {"days":3} / end / call get_time / args {} / end"#,
    "<call>bash<k>command</k><v>ls</v></cal>" => r#"call bash / args {"command":"ls"} / end"#,
    "<call>bash<k>command</k><v>say </v> and then <call>get_time</call></v></call>"
        => r#"call bash / args {"command":"say </v> and then <call>get_time</call>"} / end"#,
    "<call>bash<k>command</k><v>say </v> or <k></v></call>" => r#"call bash / args {"command":"say </v> or <k>"} / end"#,
    "<call>get_time<call>get_time</call>" => "call get_time / args {} / end / call get_time / args {} / end",
    // No tag before the value.
    "<call>bash<k>command</k>ls</v></call>" => r#"call bash / args {"command":"ls"} / end"#,
    // Text: no tool, or words where a name should stand.
    "<call> opens, </call> closes" => r#"text "<call> opens, </call> closes""#,
    "<call>nope<k>a</k><v>b</v></call>" => r#"text "<call>nope<k>a</k><v>b</v></call>""#,
    "<call>bash and <call>get_time</call>" => r#"text "<call>bash and " / call get_time / args {} / end"#,
    "<call>bash" => r#"text "<call>bash""#,
    "<call><k>a</k></call>" => r#"text "<call><k>a</k></call>""#,
);

t!(a_parameter_twice_is_a_lists_next_item_or_a_member_twice, keyed(),
    "<call>get_weather<k>list</k><v>a</v><k>list</k><v>b</v><k>days</k><v>2</v></call>"
        => r#"call get_weather / args {"list":["a","b"],"days":2} / end"#,
    "<call>get_weather<k>list</k><v>a</v></call>" => r#"call get_weather / args {"list":["a"]} / end"#,
    "<call>get_weather<k>list</k><v>[1, 2]</v></call>" => r#"call get_weather / args {"list":[1, 2]} / end"#,
    "<call>get_weather<k>list</k><v>a</v><k>list</k><v>b" => r#"call get_weather / args {"list":["a","b / cut"#,
    // What is no list, or does not follow itself.
    "<call>bash<k>command</k><v>a</v><k>command</k><v>b</v></call>" => r#"call bash / args {"command":"a","command":"b"} / end"#,
    "<call>get_weather<k>list</k><v>a</v><k>days</k><v>2</v><k>list</k><v>b</v></call>"
        => r#"call get_weather / args {"list":["a"],"days":2,"list":["b"]} / end"#,
);

t!(a_call_that_a_value_quotes_without_a_closer_of_its_own, keyed(),
    "<call>bash<k>command</k><v>echo '<call>get_time</call>'</v></call>"
        => r#"call bash / args {"command":"echo '<call>get_time</call>'"} / end"#,
    "<call>bash<k>command</k><v>a <call>bash<k>command</k><v>b</v></call> c</v></call>!"
        => r#"call bash / args {"command":"a <call>bash<k>command</k><v>b</v></call> c"} / end / text "!""#,
    "<call>bash<k>command</k><v>say </call> to close</v></call>!" => r#"call bash / args {"command":"say </call> to close"} / end / text "!""#,
    // The tag of a key whose name nothing ends.
    "<call>bash<k>command</k><v><k></v></call>" => r#"call bash / args {"command":"<k>"} / end"#,
    "<call>get_weather<k>city</k><v><k></v><k>days</k><v>3</v></call>"
        => r#"call get_weather / args {"city":"<k>","days":3} / end"#,
    "<call>bash<k>command</k><v>use <v> and </v> and </k></v></call>" => r#"call bash / args {"command":"use <v> and </v> and </k>"} / end"#,
);

/// The text states each value's type.
fn typed() -> Case {
    own("call: { open: [\"<calls>\"], bare: ['<f name=\"'], close: [\"</calls>\"] }\n\
         payload: { tagged: { name: [['<f name=\"', '<fname=\"'], ['\">', '\"/>']], key: ['<p name=\"', '\"'], \
         type: { open: 'string=\"', close: '\">', text: [\"true\"] }, value: [\"\", \"</p>\"], close: \"</f>\", trim: \"\" } }")
}

t!(a_type_in_the_text_counts_where_the_schema_says_none, typed(),
    "<calls>\n<f name=\"get_time\">\n<p name=\"a\" string=\"true\">1</p>\n<p name=\"b\" string=\"false\">[1, {\"x\": \"</p>\"}]</p>\n</f>\n</calls>"
        => r#"call get_time / args {"a":"1","b":[1, {"x": "</p>"}]} / end"#,
    "<calls><f name=\"get_time\"><p name=\"a\" string=\"false\">1.5</p><p name=\"b\" string=\"false\">\"q\\\"</p>\"</p><p name=\"c\" string=\"false\">null</p></f></calls>"
        => r#"call get_time / args {"a":1.5,"b":"q\"</p>","c":null} / end"#,
    // The schema, where the text reads so.
    "<calls><f name=\"get_weather\"><p name=\"days\" string=\"true\">3</p><p name=\"city\" string=\"false\">7</p></f></calls>"
        => r#"call get_weather / args {"days":3,"city":"7"} / end"#,
    // What is no JSON is a string.
    "<calls><f name=\"get_time\"><p name=\"a\" string=\"false\">so so</p></f></calls>" => r#"call get_time / args {"a":"so so"} / end"#,
    // The end of its tag has a wrong letter.
    "<calls><f name=\"get_time\"><p name=\"a\" string=\"false<>[1]</p><p name=\"b\" string=\"false\"-5</p></f></calls>\n<calls><f name=\"get_time\"></f></calls>"
        => r#"call get_time / args {"a":"<>[1]","b":-5} / end / call get_time / args {} / end"#,
    "<calls><f name=\"bash\"><p name=\"command\" string=\"true\"ls</p></f></calls>" => r#"call bash / args {"command":"ls"} / end"#,
    // No type.
    "<calls><f name=\"bash\"><p name=\"command\">ls</p></f></calls>" => r#"call bash / args {"command":"ls"} / end"#,
    "<calls><f name=\"bash\"><p name=\"command\" lang=\"x\">ls</p></f></calls>" => r#"call bash / args {"command":" lang=\"x\">ls"} / end"#,
);

t!(several_calls_in_a_wrapper, typed(),
    "<calls><f name=\"get_time\"/>\n<f name=\"bash\"><p name=\"command\" string=\"true\">a</p></f></calls>."
        => r#"call get_time / args {} / end / call bash / args {"command":"a"} / end / text ".""#,
    "<calls><fname=\"get_time\"></f><f name=\"get_time\"></f></calls>" => "call get_time / args {} / end / call get_time / args {} / end",
    "<calls><f name=\"bash\"><p name=\"command\" string=\"true\">a</p></f></cal'ls>\n<calls><f name=\"get_time\"></f></calls>"
        => r#"call bash / args {"command":"a"} / end / call get_time / args {} / end"#,
    "<f name=\"bash\"><p name=\"command\" string=\"true\">a</p></f>" => r#"call bash / args {"command":"a"} / end"#,
);

/// No wrapper; attributes behind the name; data that nothing in it ends.
fn wrapperless() -> Case {
    own("call: { bare: ['<f name=\"', '<f2 name=\"'] }\n\
         payload: { tagged: { name: [['<f name=\"', '<f2 name=\"'], '\"', \">\"], key: ['<p=\"', '\">'], value: [\"\", \"</p>\"], \
         close: \"</f>\", trim: \"\", cdata: [\"<![CDATA[\", \"]]>\"], escapes: [[\"&quot;\", '\"'], [\"&amp;\", \"&\"]] } }")
}

t!(data_between_markers_of_its_own_is_data, wrapperless(),
    "<f name=\"bash\"><p=\"command\"><![CDATA[a </p></f> <f name=\"get_time\"></f>]]></p></f>!"
        => r#"call bash / args {"command":"a </p></f> <f name=\"get_time\"></f>"} / end / text "!""#,
    "<f name=\"bash\"><p=\"command\">\n<![CDATA[]]]]>\n</p></f>" => r#"call bash / args {"command":"]]\n"} / end"#,
    "<f name=\"get_weather\"><p=\"days\"><![CDATA[3]]></p><p=\"city\"><![CDAT</p></f>" => r#"call get_weather / args {"days":3,"city":"<![CDAT"} / end"#,
    "<f name=\"bash\"><p=\"command\"><![CDATA[a" => r#"call bash / args {"command":"a / cut"#,
);

t!(attributes_and_escapes, wrapperless(),
    "<f name=\"get_time\" index=\"1\"></f>\n<f2 name=\"get_time\" index=\"2\"><p=\"a&quot;&amp;quot;\">&amp;</p></f>"
        => r#"call get_time / args {} / end / call get_time / args {"a\"&quot;":"&amp;"} / end"#,
    // With no wrapper the call's own closer ends it.
    "<f name=\"bash\"><p=\"command\">ls</p></f> and </p> more" => r#"call bash / args {"command":"ls"} / end / text " and </p> more""#,
);

#[test]
fn what_a_value_is_trimmed_by_is_a_newline_or_nothing() {
    let keys = "call: { open: [\"<c>\"] }\npayload: { tagged: { name: [\"<f=\", \">\"], key: [\"<p=\", \">\"], value: [\"\", \"</p>\"], close: \"</f>\", trim: \" \" } }";
    assert!(Dialects::parse(&yaml(keys)).is_err());
    let old = keys.replace("value: [\"\", \"</p>\"]", "value_close: \"</p>\"").replace(", trim: \" \"", "");
    let refused = Dialects::parse(&yaml(&old)).unwrap_err().to_string();
    assert!(refused.contains("value_close") && refused.contains("key, type, value, close"), "{refused}");
}

t!(one_parameter_may_hold_all_arguments, case("deepseek-dsml"),
    "<｜DSML｜tool_calls><｜DSML｜invoke name=\"bash\"><｜DSML｜parameter name=\"input\" string=\"true\">{\"command\": \"ls\"}</｜DSML｜parameter></｜DSML｜invoke></｜DSML｜tool_calls>"
        => r#"call bash / args {"command": "ls"} / end"#,
    // One that is no object, one that another follows, and one of a tool that names no properties is what it is.
    "<｜DSML｜tool_calls><｜DSML｜invoke name=\"bash\"><｜DSML｜parameter name=\"input\" string=\"false\">5</｜DSML｜parameter></｜DSML｜invoke></｜DSML｜tool_calls>"
        => r#"call bash / args {"input":5} / end"#,
    "<｜DSML｜tool_calls><｜DSML｜invoke name=\"bash\"><｜DSML｜parameter name=\"args\" string=\"true\">{}</｜DSML｜parameter><｜DSML｜parameter name=\"command\" string=\"true\">ls</｜DSML｜parameter></｜DSML｜invoke></｜DSML｜tool_calls>"
        => r#"call bash / args {"args":"{}","command":"ls"} / end"#,
    "<｜DSML｜tool_calls><｜DSML｜invoke name=\"get_time\"><｜DSML｜parameter name=\"input\" string=\"true\">{\"a\": 1}</｜DSML｜parameter></｜DSML｜invoke></｜DSML｜tool_calls>"
        => r#"call get_time / args {"input":"{\"a\": 1}"} / end"#,
);
