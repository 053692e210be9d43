"""LangGraph, with the chat model of LangChain."""

from langchain_core.messages import AIMessageChunk, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

import talks


async def hold(talk, weather):
    tools = [tool(weather.get_weather)]
    model = ChatOpenAI(
        model=talk["model"], base_url=talks.BASE_URL, api_key="none", max_retries=0, disable_streaming=not talk["streamed"]
    )

    async def answer(state):
        answered = any(isinstance(message, ToolMessage) for message in state["messages"])
        choice = "auto" if answered else talk["choice"]
        return {"messages": [await model.bind_tools(tools, tool_choice=choice).ainvoke(state["messages"])]}

    graph = StateGraph(MessagesState)
    graph.add_node("model", answer)
    graph.add_node("tools", ToolNode(tools))
    graph.add_edge(START, "model")
    graph.add_conditional_edges("model", tools_condition, {"tools": "tools", END: END})
    graph.add_edge("tools", "model")
    asked = {"messages": [("user", talk["prompt"])]}
    if not talk["streamed"]:
        return (await graph.compile().ainvoke(asked))["messages"][-1].text

    said = {}
    async for message, _ in graph.compile().astream(asked, stream_mode="messages"):
        if isinstance(message, AIMessageChunk):
            said[message.id] = said.get(message.id, "") + message.text
    return list(said.values())[-1]


talks.main(hold)
