"""What a running lesson is like for everyone: axe-core on what it shows, and the Tab key.

Only what the lessons bring is looked at, rendered Markdown and outputs, not Jupyter around them.
"""

from axe_playwright_python.sync_playwright import Axe

SHOWN = [".jp-MarkdownOutput", ".jp-OutputArea-output"]

# What can be operated in outputs and Markdown, of a group of radio buttons the one that Tab meets.
OPERATED = """() => [...document.querySelectorAll(".jp-Notebook " +
        ":is(.jp-MarkdownOutput, .jp-OutputArea-output) " +
        ":is(button, input, select, textarea, a[href], summary, [role=slider], [role=button])")]
    .filter(each => each.offsetParent && !each.disabled && !each.matches(".jp-InternalAnchorLink"))
    .filter(each => each.type !== "radio" || each.checked || (each.name &&
        each === document.querySelector(`input[name="${CSS.escape(each.name)}"]`) &&
        !document.querySelector(`input[name="${CSS.escape(each.name)}"]:checked`)))"""

UNREACHED = f"""() => {{
    const out = each => each.tabIndex < 0 || (each.focus(), document.activeElement !== each);
    return ({OPERATED})().filter(out).map(each => each.outerHTML.slice(0, 200));
}}"""


def open_details(page):
    """Open all that is folded away, so that it is looked at as well."""
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")


def found_by_axe(page):
    """Return what axe-core finds, a line for each rule and element."""
    found = Axe().run(page, context={"include": SHOWN}).response["violations"]
    return [
        f"{rule['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for rule in found
        for node in rule["nodes"]
    ]


def not_reached(page):
    """Return what can be operated by mouse and gets no focus from the keyboard."""
    return page.evaluate(UNREACHED)
