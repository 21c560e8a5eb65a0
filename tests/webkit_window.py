#!/usr/bin/python3
"""WebKitGTK in plain windows of any size, for `WebKitWebDriver`.

Its own MiniBrowser has a toolbar, which keeps windows wider than a phone. This program
runs in the Python of the operating system, which has the bindings of GTK.
"""

import os
import sys

import gi

gi.require_version("Gtk", "3.0")
gi.require_version("WebKit2", "4.1")

from gi.repository import Gtk, WebKit2  # noqa: E402

NAME = "MiniBrowser"  # the only name that WebKitWebDriver accepts by default
SIZE = (1280, 800)
# The driver has no access to the console.
COLLECT_ERRORS = """
  window.collectedErrors = [];
  const { error } = console;
  console.error = (...words) => {
    collectedErrors.push(words.join(" "));
    error(...words);
  };
  const add = (event) => collectedErrors.push(
    `threw ${event.message || event.reason || event.violatedDirective}`);
  for (const name of ["error", "unhandledrejection"]) addEventListener(name, add);
  document.addEventListener("securitypolicyviolation", add);
"""


def create_view(session: WebKit2.AutomationSession) -> WebKit2.WebView:
    """Open a window, and return its view."""
    content = WebKit2.UserContentManager()
    frames = WebKit2.UserContentInjectedFrames.TOP_FRAME
    at = WebKit2.UserScriptInjectionTime.START
    content.add_script(
        WebKit2.UserScript(f"(() => {{{COLLECT_ERRORS}}})()", frames, at, None, None)
    )
    view = WebKit2.WebView(
        web_context=context,
        user_content_manager=content,
        is_controlled_by_automation=True,
    )
    # In an automated window, `print()` does nothing.
    content.register_script_message_handler("print")
    content.connect("script-message-received::print", lambda *_: print_to_file(view))
    window = Gtk.Window()
    window.set_default_size(*SIZE)
    window.add(view)
    window.show_all()
    view.connect("close", lambda _: window.destroy())
    return view


def print_to_file(view: WebKit2.WebView) -> None:
    """Print a page into the file named in WEBKIT_PDF."""
    operation = WebKit2.PrintOperation.new(view)
    settings = Gtk.PrintSettings()
    settings.set_printer("Print to File")
    settings.set(Gtk.PRINT_SETTINGS_OUTPUT_FILE_FORMAT, "pdf")
    settings.set(Gtk.PRINT_SETTINGS_OUTPUT_URI, f"file://{os.environ['WEBKIT_PDF']}")
    operation.set_print_settings(settings)
    setup = Gtk.PageSetup()
    setup.set_paper_size(Gtk.PaperSize.new("na_letter"))
    operation.set_page_setup(setup)
    operation.print_()


def start(_: WebKit2.WebContext, session: WebKit2.AutomationSession) -> None:
    """Tell the driver which browser this is, and open windows when it asks."""
    application = WebKit2.ApplicationInfo()
    application.set_name(NAME)
    application.set_version(
        WebKit2.get_major_version(),
        WebKit2.get_minor_version(),
        WebKit2.get_micro_version(),
    )
    session.set_application_info(application)
    session.connect("create-web-view", create_view)


if "--check" in sys.argv:  # whether everything is installed
    sys.exit()
context = WebKit2.WebContext.new_ephemeral()
context.set_automation_allowed(True)
context.connect("automation-started", start)
Gtk.main()
