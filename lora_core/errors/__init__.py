"""Every error this package raises on purpose, in one tree.

    RackError
    ├── FileError              a file that cannot be used: names the file, the key, the way out
    │   ├── BrokenFile         not readable as what it claims to be (truncated, bad header, bad tensor)
    │   ├── NotALora           readable, but not a LoRA (a checkpoint, an embedding, a pickle, nothing inside)
    │   └── NotAModel          readable, but without the model or text encoder that was asked for
    ├── CannotWrite            a file that cannot be written where it should
    │   └── ExistsAlready      there is one, and nobody said that it may be replaced
    ├── BadJson                a text from outside that is no JSON, or is beyond what is read of one
    ├── BadPicture             what is given as a picture is none, or is larger than any that is decoded
    ├── BadText                line, column, what was found and what was expected
    │   ├── BadStackText       the text of a stack
    │   └── BadSweepText       the values or the axes of a sweep
    ├── BadRow                 a row no stack or no tag can hold: its name, strengths, window, hash or remark
    ├── WrongUse               a command called with words that do not go together, or that name nothing
    ├── BadInput               a value at a node's input that is not what the input takes
    ├── BadRequest             a request of the page that is not what its route takes
    ├── SweepMismatch          a sweep and a latent, picture or model that do not belong together
    ├── BadBlockText           block weights: which text, the place in it, what was found, what was expected
    ├── UnresolvedLora         a name or hash that does not mean exactly one file
    │   ├── MissingLora        no such file; the nearest names, where to get it
    │   ├── GoneLora           it is listed, and its file is not there any more
    │   ├── AmbiguousLora      several such files; all of them
    │   ├── OtherContent       a file of that name, but not of the hash beside it
    │   └── BadHash            no hash any tool gives a file
    ├── NamedRackError         a rack that is kept under a name
    │   ├── BadRackName        what no rack can be called
    │   ├── MissingRack        no rack is called so; the nearest names
    │   ├── BadRackChain       racks that hold one another in a circle, too deep, or too many rows
    │   ├── RackChanged        it is not as it was when it was read
    │   ├── RackExists         there is one, and nobody said that it may be replaced
    │   └── BrokenRack         its file cannot be read
    ├── SearchUnfinished       the answer takes more reading than the caller allowed
    ├── BadMode                a mode of applying a stack that cannot do what its entries ask
    ├── WorkflowError          a workflow to convert: what is wrong with it, and where
    │   ├── BadWorkflow        the file holds no graph of ComfyUI's
    │   ├── BadInfotext        a text is not what a program writes about the picture it made
    │   └── NotConvertible     a node says something that has no counterpart here
    ├── FetchError             a LoRA that could not be got from a site
    │   ├── BadReference       what is asked for names no file of a site that is known
    │   ├── NotOffered         the site has no such file, or none that may be taken
    │   ├── AccessDenied       the site wants a token, or another one
    │   ├── SiteError          the site did not answer, or not as its documentation says
    │   ├── TransferFailed     the bytes that came are not the file that was promised
    │   └── CannotStore        no room, no right to write, or another file is in the place
    ├── CannotCombine          LoRAs whose changes cannot be worked out together
    ├── CannotSave             a stack that no LoRA file can hold, or not the one asked for
    ├── Overflows              a stack whose numbers are too large for the weights it changes
    ├── CannotMerge            a change that cannot be written into these weights as asked
    ├── CannotCompare          two files that cannot be compared by what they do
    └── FitError               a LoRA that does not belong on this model
        ├── OtherFamily        it was made for another family of models, and does not fit this one
        ├── NothingMatches     not one of its layers is in the model
        ├── ShapeMismatch      a layer is there, with another shape
        ├── NotLive            weights that cannot be changed in the forward pass where that was asked for
        └── NotSweepable       a layer in which pictures of different strengths cannot be told apart

Messages say what is wrong, where, what was found, and what to do.
"""

from .applying import (
    BadMode,
    CannotCombine,
    CannotCompare,
    CannotMerge,
    CannotSave,
    FitError,
    NothingMatches,
    NotLive,
    NotSweepable,
    OtherFamily,
    Overflows,
    ShapeMismatch,
    SweepMismatch,
)
from .base import RackError
from .fetching import (
    AccessDenied,
    BadReference,
    CannotStore,
    FetchError,
    NotOffered,
    SiteError,
    TransferFailed,
)
from .files import BadJson, BadPicture, BrokenFile, CannotWrite, ExistsAlready, FileError, NotALora, NotAModel
from .racks import (
    BadRackChain,
    BadRackName,
    BrokenRack,
    MissingRack,
    NamedRackError,
    RackChanged,
    RackExists,
)
from .resolving import (
    AmbiguousLora,
    BadHash,
    GoneLora,
    MissingLora,
    OtherContent,
    SearchUnfinished,
    UnresolvedLora,
)
from .texts import BadBlockText, BadInput, BadRequest, BadRow, BadStackText, BadSweepText, BadText, WrongUse
from .workflows import BadInfotext, BadWorkflow, NotConvertible, WorkflowError

__all__ = [
    "AccessDenied",
    "AmbiguousLora",
    "BadBlockText",
    "BadHash",
    "BadInfotext",
    "BadInput",
    "BadJson",
    "BadMode",
    "BadPicture",
    "BadRackChain",
    "BadRackName",
    "BadReference",
    "BadRequest",
    "BadRow",
    "BadStackText",
    "BadSweepText",
    "BadText",
    "BadWorkflow",
    "BrokenFile",
    "BrokenRack",
    "CannotCombine",
    "CannotCompare",
    "CannotMerge",
    "CannotSave",
    "CannotStore",
    "CannotWrite",
    "ExistsAlready",
    "FetchError",
    "FileError",
    "FitError",
    "GoneLora",
    "MissingLora",
    "MissingRack",
    "NamedRackError",
    "NotALora",
    "NotAModel",
    "NotConvertible",
    "NotLive",
    "NotOffered",
    "NotSweepable",
    "NothingMatches",
    "OtherContent",
    "OtherFamily",
    "Overflows",
    "RackChanged",
    "RackError",
    "RackExists",
    "SearchUnfinished",
    "ShapeMismatch",
    "SiteError",
    "SweepMismatch",
    "TransferFailed",
    "UnresolvedLora",
    "WorkflowError",
    "WrongUse",
]
