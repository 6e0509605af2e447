// The class names of a YOLO folder, and the places of its parts as data.yaml names them.
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(const std::optional<FolderYaml> yaml, FindYaml(contents, notices));
//   if (yaml) PlaceInside(contents, *yaml, "../train/images");  // "train/images"

#ifndef RCNN_DATA_SOURCES_YOLO_FOLDER_NAMES_H_
#define RCNN_DATA_SOURCES_YOLO_FOLDER_NAMES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "rcnn/data/sources/folder_contents.h"
#include "rcnn/data/sources/part_place.h"
#include "rcnn/data/yolo/yolo_names.h"

namespace rcnn::data {

// A yaml file that describes the folder.
struct FolderYaml {
  // Relative to the folder.
  std::string file;
  YoloYaml yaml;
};

// The yaml that describes the folder: data.yaml before others, the outer before the inner; nullopt
// if there is none. A notice tells of others that have names but cannot be used, or that are larger
// than kMaxYoloYamlBytes, and of a data.yaml inside the folder of this one that has other classes;
// one with other classes elsewhere is kInvalidArgument. Errors: those of ReadFile, and of
// ParseYoloYaml for a data.yaml.
absl::StatusOr<std::optional<FolderYaml>> FindYaml(const FolderContents& contents,
                                                   Notices& notices);

// A plain list of class names, such as classes.txt or obj.names.
struct NameList {
  // Relative to the folder; "" if there is none.
  std::string file;
  std::vector<std::string> names;
};

// Names of the classes in plain lists; kInvalidArgument if two lists differ. Also the errors of
// ReadYoloNameList.
absl::StatusOr<NameList> FindNameLists(const FolderContents& contents);

// Finds a path of data.yaml, a folder of images or a list of them, in the folder. Tools write paths
// of their own machine, and Roboflow writes "../train/images" for a folder beside the file: leading
// parts are removed until the rest exists. nullopt if it never does.
std::optional<std::string> PlaceInside(const FolderContents& contents, const FolderYaml& yaml,
                                       const std::string& place);

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_YOLO_FOLDER_NAMES_H_
