"""Contract types for import-linter: allow-lists. Anything that a table does not name is forbidden, except the standard library."""

import sys

from importlinter import Contract, ContractCheck, fields, output
from importlinter.application.contract_utils import AlertLevel, remove_ignored_imports_and_report


class Table(fields.Field):
    """Lines such as `docker: skypanel.drivers.docker skypanel.drivers.swarm`."""

    def parse(self, raw_data):
        lines = fields.ListField(subfield=fields.StringField()).parse(raw_data)
        return {name.strip(): rest.split() for name, _, rest in (line.partition(":") for line in lines)}


class AllowList(Contract):
    """A contract that is broken by every line that `wrong` yields."""

    table = Table()
    ignore_imports = fields.SetField(subfield=fields.ImportExpressionField(), required=False)

    def check(self, graph, verbose):
        ignored = remove_ignored_imports_and_report(graph=graph, ignore_imports=self.ignore_imports, unmatched_alerting=AlertLevel.ERROR)
        wrong = sorted(self.wrong(graph))
        return ContractCheck(
            kept=not wrong, warnings=ignored.warnings, ignored_import_count=ignored.ignored_import_count, metadata={"wrong": wrong}
        )

    def render_broken_contract(self, check):
        for line in check.metadata["wrong"]:
            output.print_error(line, bold=False)


class Needs(AllowList):
    """What each package may import, by package."""

    type_name = "needs"

    def wrong(self, graph):
        for package, allowed in self.table.items():
            for module in {package, *graph.find_descendants(package)}:
                for imported in graph.find_modules_directly_imported_by(module):
                    if not (_is_in(imported, [package, *allowed]) or _is_standard(imported)):
                        yield f"{module} imports {imported}{_lines(graph, module, imported)}"


class Rooms(AllowList):
    """Where each library may be imported, by library. Every place that is named must import it."""

    type_name = "rooms"

    def wrong(self, graph):
        own = self.session_options["root_packages"]
        libraries = {module for module in graph.modules if not _is_in(module, own) and not _is_standard(module)}
        importers = {library: graph.find_modules_that_directly_import(library) for library in libraries}
        for library in libraries:
            for module in importers[library]:
                if not _is_in(module, self.table.get(library, [])):
                    yield f"{module} imports {library}{_lines(graph, module, library)}"
        for library, rooms in self.table.items():
            for room in rooms:
                if not any(_is_in(module, [room]) for module in importers.get(library, ())):
                    yield f"{room} is a room of {library}, and does not import it"


def _is_in(module, packages):
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _is_standard(module):
    return module.partition(".")[0] in sys.stdlib_module_names


def _lines(graph, importer, imported):
    found = [str(each["line_number"]) for each in graph.get_import_details(importer=importer, imported=imported)]
    return f" (l.{', '.join(found)})" if found else ""
