"""The messages that the desk's scripts show, for `{% script_words %}`.

Braces stand for what a script fills in. Where a number decides, `SCRIPT_PLURALS` has
the forms.
"""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

SCRIPT_MESSAGES: dict[str, str | Promise] = {
    # Pictures
    "uploading": _("Uploading {name}"),
    "waiting": _("Uploading {number} of {total}, {percent} %… Publishes when done."),
    "cancel": _("Cancel"),
    "not_sent_yet": _("Not published yet. The files are still uploading."),
    "uploaded_one": _("Uploaded. Add alt text."),
    "uploaded_recording": _(
        "Uploaded. Add a description, and captions or a transcript."
    ),
    "uploaded_known": _("Uploaded."),
    "changed_while_waiting": _(
        "Uploaded. You changed the text meanwhile: press “{button}” when it’s ready."
    ),
    "upload_first": _("Not published. Retry the files that failed, or remove them."),
    "upload_failed": _("It didn’t upload."),
    "upload_offline": _("No connection."),
    "upload_lost": _("This file was never uploaded."),
    "too_large": _(
        "It’s too large. A picture may have 25 MB; make a recording shorter."
    ),
    "retry": _("Retry"),
    "retry_name": _("Retry {name}"),
    "remove": _("Remove"),
    "remove_name": _("Remove {name} from the text"),
    "not_a_picture": _(
        "{names}: This file can’t be used. Pictures can be JPEG, PNG, WebP, GIF, AVIF "
        "or HEIC; video and audio MP4, WebM, MP3 or M4A."
    ),
    "no_pictures": _("You can’t add pictures here."),
    # Sending
    "sending": _("Sending…"),
    "signed_out": _(
        "You’re signed out. Your text is safe: it’s sent when you’ve signed in."
    ),
    "signed_out_again": _("You’re signed out. Your text is safe on this device."),
    "sign_in": _("Sign in in another tab"),
    "no_connection": _("No connection. Retrying… Your text is safe."),
    "server_failed": _(
        "The server answered {status}. Retrying… Your text is safe, and pressing the "
        "button again is too."
    ),
    "not_ours": _(
        "Another page answered instead of the desk: a network’s sign-in page? "
        "Retrying… Your text is safe."
    ),
    "failed": _("Failed: {reason}. Your text is safe. Try again."),
    "reason_connection": _("no connection"),
    "reason_status": _("the server answered {status}"),
    "reason_not_ours": _("another page answered instead of the desk"),
    "reason_too_large": _("it’s too large"),
    "changed_since": _(
        "Not sent. You changed the text: press “{button}” when it’s ready."
    ),
    "refused_publish": _("Not published. Fix the fields marked in red."),
    "refused_save": _("Not saved. Fix the fields marked in red."),
    "conflict": _("Not saved yet. Compare the two texts."),
    "changed_meanwhile": _(
        "This entry has changed meanwhile. Saving shows both texts."
    ),
    "withdrawn_meanwhile": _("This update has been withdrawn meanwhile."),
    "lost_edit": _("Not saved. Your text is still here."),
    "gone_edit": _("This text is no longer here. Press Save to keep yours."),
    "gone_note": _("This text is no longer here, but your note is."),
    "undone": _("Undone. The update is withdrawn and its text is back here."),
    # Drafts
    "saved": _("Saved {time}"),
    "saved_here": _("Saved on this device only"),
    "unpublished": _("Unpublished text: “{text}”"),
    "unpublished_from": _("Unpublished text from {when}: “{text}”"),
    "restore": _("Restore"),
    "discard": _("Discard"),
    # Writing
    "characters": _("{length} of {limit} characters"),
    "find_see": _("See: part of the story’s title"),
    "find_picture": _("Picture: part of its name or alt text"),
    "find_offline": _("No connection. Type again."),
    "is_editing": _("{name} is editing"),
    "commands": _("Commands"),
    "emoji": _("Emoji"),
    "stories": _("Stories"),
    "command_key": _("Mark as a key event"),
    "command_pin": _("Pin to the top"),
    "command_see": _("Link another story"),
    "command_snippet": _("Insert a snippet"),
    "snippet": _("Snippet"),
    "find_snippet": _("Snippet: part of its name or text"),
    "command_at": _("Set the time: /at 1015"),
    "command_preview": _("Preview"),
    "command_search": _("Search the timeline"),
    "command_edit": _("Edit the latest update"),
    "command_alt": _("Go to the alt text"),
    "command_help": _("Keyboard shortcuts"),
    "link_copied": _("Link copied."),
    "not_copied": _("Couldn’t copy the link."),
}

SCRIPT_PLURALS: dict[str, Promise] = {
    "uploaded": ngettext_lazy(
        "{number} file uploaded. Describe it.",
        "{number} files uploaded. Describe them.",
        "number",
    ),
    "new": ngettext_lazy("{number} new", "{number} new", "number"),
    "withdrawn": ngettext_lazy(
        "{number} withdrawn · Show", "{number} withdrawn · Show", "number"
    ),
}
