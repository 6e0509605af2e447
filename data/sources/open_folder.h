// Opens a folder of labelled images that was recognised: every part of it, with one list
// of classes.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const OpenedFolder folder, OpenFolder("cells", {}));
//   std::cout << Describe(folder);
//   // /data/cells: yolo, 3 classes (Platelets, RBC, WBC)
//   //   train      765 images    12345 objects      0 defects
//   //   val         73 images     1180 objects      2 defects

#ifndef RCNN_DATA_SOURCES_OPEN_FOLDER_H_
#define RCNN_DATA_SOURCES_OPEN_FOLDER_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/configs/dataset.pb.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/sources/recognize_folder.h"

namespace rcnn::data {

struct OpenedPart {
  // "train", "val", "test", or "all".
  std::string name;
  // What opens it again: classes are named where the format does not fix them, and conventions
  // that the folder as a whole shows (folder_conventions.h) are explicit.
  configs::DatasetConfig config;
  std::shared_ptr<const Dataset> images;
};

struct OpenedFolder {
  // Absolute.
  std::string folder;
  std::string format;
  // As in RecognizedFolder.
  std::vector<OpenedPart> parts;
  std::vector<std::string> classes;
  std::vector<std::string> notices;
  bool follow_links = true;

  const OpenedPart* FindPart(absl::string_view name) const;
};

// Errors: those of RecognizeFolder and MakeDataset; kInvalidArgument for parts whose
// classes differ where the files fix them, naming both lists, and for an image that two
// annotation files, or two folders of them, annotate for one part, naming all three.
absl::StatusOr<OpenedFolder> OpenFolder(const std::string& folder, const FolderOptions& options);

// What was found, in a few lines, notices last.
std::string Describe(const OpenedFolder& folder);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_OPEN_FOLDER_H_
