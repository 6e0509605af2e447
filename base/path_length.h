// Paths that no file can have, because they are too long, and how messages show them.
//
// A forgotten quote or a text in place of a path makes a path of hundreds or thousands of bytes.
// The system says "File name too long" of it and nothing else. Here the message names the flag,
// shows the beginning of its value, and says what to give.
//
// Example:
//   RCNN_RETURN_IF_ERROR(CheckPathLength("--model", path, "give the folder that training writes"));
//   return absl::NotFoundError(absl::StrCat(ShownFlag("--model", path), ": no such folder"));

#ifndef RCNN_BASE_PATH_LENGTH_H_
#define RCNN_BASE_PATH_LENGTH_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rcnn {

// What messages say of such a path.
inline constexpr char kPathTooLong[] =
    "no file can have so long a name (at most 255 bytes between two slashes, and 4095 in all)";

// Whether no file can have the path: it has more than 4095 bytes (PATH_MAX, with the NUL at the
// end), or more than 255 (NAME_MAX) between two slashes.
bool IsPathTooLong(absl::string_view path);

// Whether AtomicFile (file_io.h) cannot write a file there: the path is too long, or would be with
// the ending of up to 26 bytes that the file has until it is complete.
bool IsPathTooLongToWrite(absl::string_view path);

// `path` for a message: of one that is too long the beginning and the size, "xxxx... (300 bytes)".
// UTF-8 is not cut inside a character.
std::string ShownPath(absl::string_view path);

// The same with its flag: "--model=runs/cells".
std::string ShownFlag(absl::string_view flag, absl::string_view path);

// kInvalidArgument if the path is too long: "--model=xxxx... (300 bytes): <kPathTooLong>;
// <advice>". `flag`: "" for an argument without one.
absl::Status CheckPathLength(absl::string_view flag, absl::string_view path,
                             absl::string_view advice);

}  // namespace rcnn

#endif  // RCNN_BASE_PATH_LENGTH_H_
