"""What every page must keep to in a browser: axe-core's rules, its width, the size of its targets, and that nothing fails."""

from importlib.resources import files

# axe-core (https://github.com/dequelabs/axe-core), which a page evaluates: the content policy does not apply to that.
AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()

# Returns the rules that a page breaks, each with the elements that do. `rules` restricts them to some, as an empty list does not.
VIOLATIONS = """async (rules) => {
  const options = { resultTypes: ["violations"], reporter: "no-passes", ...(rules.length ? { runOnly: rules } : {}) };
  const { violations } = await axe.run(document, options);
  return violations.map((each) => `${each.id}: ${each.nodes.map((node) => node.target.join(" ")).join(", ")}`);
}"""

# Returns what does not fit: a page wider than its window, what is cut off, and, with `least`, targets that are smaller.
# Links in a sentence are excepted, as by WCAG 2.2, 2.5.8.
MISFITS = """(least) => {
  const width = document.documentElement.clientWidth, found = [];
  const told = (element) => `${element.tagName.toLowerCase()} ${element.className} "${element.textContent.trim().slice(0, 40)}"`;
  const style = (element, name) => getComputedStyle(element)[name];
  const scrolls = (element) => element && (["auto", "scroll"].includes(style(element, "overflowX")) || scrolls(element.parentElement));
  const isHidden = (element) => element && (style(element, "clipPath") !== "none" || isHidden(element.parentElement));
  const isSeen = (element) => element.checkVisibility({ visibilityProperty: true }) && !isHidden(element)
    && !element.closest("svg, .skip, .xterm, option") && style(element, "position") !== "fixed";
  const hides = (element) => ["hidden", "clip"].includes(style(element, "overflowX")) && style(element, "textOverflow") !== "ellipsis";
  const hasText = (node) => node.nodeType === 3 && node.textContent.trim();
  const isInText = (element) => style(element, "display") === "inline" && [...element.parentElement.childNodes].some(hasText);
  const isTarget = (element) => element.matches("a[href], button, select, summary, textarea, input") && element.tabIndex >= 0;
  if (document.documentElement.scrollWidth > width) found.push(`the page is ${document.documentElement.scrollWidth} px wide`);
  for (const element of document.querySelectorAll("body *")) {
    const box = element.getBoundingClientRect();
    if (!box.width || !box.height || !isSeen(element)) continue;
    if ((box.right > width + 1 || box.left < -1) && !scrolls(element)) found.push(`cut off at the side: ${told(element)}`);
    if (hides(element) && element.scrollWidth > element.clientWidth + 1) found.push(`cut off: ${told(element)}`);
    if (!least || !isTarget(element) || isInText(element)) continue;
    const label = element.matches("[type=checkbox], [type=radio]") && element.closest("label");
    const target = label ? label.getBoundingClientRect() : box;
    const isSmall = target.width < least - 0.5 || target.height < least - 0.5;
    if (isSmall) found.push(`${Math.round(target.width)} x ${Math.round(target.height)} px: ${told(element)}`);
  }
  return [...new Set(found)];
}"""

NETWORK_CHANGED = "ERR_NETWORK_CHANGED"
# A page that is left ends its streams.
LEFT = "net::ERR_ABORTED"


def note_complaints(page, complaints):
    """Add to a list whatever the browser complains of: errors and warnings of the console, the content policy, and failed requests."""

    def note(message):
        if message.type in {"error", "warning"} and NETWORK_CHANGED not in message.text:
            complaints.append(f"{message.text} ({page.url})")

    def note_failure(request):
        if request.failure not in {LEFT, f"net::{NETWORK_CHANGED}"}:
            complaints.append(f"{request.failure} {request.url} ({page.url})")

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(f"{error} ({page.url})"))
    page.on("requestfailed", note_failure)
