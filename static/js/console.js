// Progressive enhancement only: every page works without scripts. Each concern is a module of its own.
import "./clipboard.js";
import "./dialogs.js";
import "./drafts.js";
import "./tabs.js"; // before focus: what is focused may scroll once more
import "./focus.js";
import "./key_search.js";
import "./menus.js";
import "./palette.js";
import "./passkeys.js";
import "./read_list.js";
import "./selection.js";
import "./shortcuts.js";
import "./switches.js";
import "./timezone.js";
import "./address.js"; // last: the others go by the address that was asked for
