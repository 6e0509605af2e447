// The images that a user means by files, folders and patterns.
//
//   FILE      whatever it is called: its contents say whether it is an image
//   FOLDER    all its images and those of its folders, by extension (.jpg, .jpeg,
//             .png, .bmp, .webp in any case); hidden files and folders are passed over,
//             links are followed
//   PATTERN   "*" and "?" and "[...]" within a name, "**" for any number of folders
//   A,B       several of these
// What exists under the very name given is taken so, be there a comma or an asterisk
// in it.
//
// Example:
//   FoundInputs found = FindImages({"holiday/", "cats/**/*.jpg"}, {.passed_over = "out/drawn"});

#ifndef RCNN_TOOLS_DETECT_INPUTS_H_
#define RCNN_TOOLS_DETECT_INPUTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace rcnn::tools {

struct FindOptions {
  // A folder that is not searched: results of an earlier run are no inputs. "": none.
  std::string passed_over = {};
};

struct FoundInputs {
  // In the order of the inputs, those of a folder or a pattern by path (bytes); each
  // file once, however often it is meant.
  std::vector<std::string> images;
  // "PATH: what is wrong with it", one for each input that leads nowhere and each folder
  // that cannot be read.
  std::vector<std::string> problems;
  // Images in folders whose format cannot be read: extension (".tif") and how many.
  std::map<std::string, int64_t> other_formats;
};

FoundInputs FindImages(const std::vector<std::string>& inputs, const FindOptions& options = {});

}  // namespace rcnn::tools

#endif  // RCNN_TOOLS_DETECT_INPUTS_H_
