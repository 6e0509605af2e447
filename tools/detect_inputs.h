// Finds the images named by files, folders and patterns.
//
//   FILE      with any name: recognised as an image by its contents
//   FOLDER    all its images and those of its folders, by extension (.jpg, .jpeg, .jpe,
//             .jfif, .png, .bmp, .webp, .gif, .tif, .tiff in any case); hidden files and
//             folders are skipped, links are followed
//   PATTERN   "*" and "?" and "[...]" within a name, "**" for any number of folders, which
//             are not links
//   A,B       several of these
// An existing path is used literally, even if it contains a comma or an asterisk.
//
// Example:
//   FoundInputs found = FindImages({"holiday/", "cats/**/*.jpg"}, {.skipped_folder = "out/drawn"});

#ifndef RCNN_TOOLS_DETECT_INPUTS_H_
#define RCNN_TOOLS_DETECT_INPUTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace rcnn::tools {

struct FindOptions {
  // A folder that is not searched, because results of an earlier run are not inputs.
  // "": none.
  std::string skipped_folder = {};
};

struct FoundInputs {
  // In the order of the inputs; files of a folder or a pattern are sorted by path
  // (bytes). No duplicates.
  std::vector<std::string> images;
  // "PATH: problem", one for each input that matches nothing, each unreadable folder, such as one
  // whose path is too long (base/path_length.h), and each file or folder that cannot be examined
  // now, so that it is not known what it is.
  std::vector<std::string> problems;
  // Images in folders with unsupported formats: extension (".heic") and count.
  std::map<std::string, int64_t> other_formats;
};

// Returns the images that `inputs` name. Reads no image. Inputs that cannot be used are problems of
// the result, not errors.
FoundInputs FindImages(const std::vector<std::string>& inputs, const FindOptions& options = {});

}  // namespace rcnn::tools

#endif  // RCNN_TOOLS_DETECT_INPUTS_H_
