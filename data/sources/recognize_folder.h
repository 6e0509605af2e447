// Recognises a folder of labelled images: its format, and where each of its parts is.
//
// Decides by content: what the annotation files contain, and which images they name. Names
// of folders and files only tell parts apart (train, valid2017, ImageSets/Main/test.txt).
// Reads only a few annotations of each folder; open_folder.h opens the result.
//
//   voc      XML beside the images, or in a folder of their own; with lists or without
//   coco     one file, or one for each part; Roboflow's _annotations.coco.json
//   yolo     labels beside the images or in labels/; data.yaml, classes.txt, obj.names
//   labelme  JSON beside the images or in a folder of their own
//   cvat     "CVAT for images 1.1"; its subsets are the parts
//   csv      filename,width,height,class,xmin,ymin,xmax,ymax
//   shards   NAME.shards.jsonl beside its tar files, one for each part
//
// Example:
//   RCNN_ASSIGN_OR_RETURN(RecognizedFolder found, RecognizeFolder("cells", {}));
//   found.format;           // "yolo"
//   found.parts[0].name;    // "train"
//   found.parts[0].config;  // yolo { name: "RBC" ... } paths { images: "/data/cells/train/..." }

#ifndef RCNN_DATA_SOURCES_RECOGNIZE_FOLDER_H_
#define RCNN_DATA_SOURCES_RECOGNIZE_FOLDER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "rcnn/configs/dataset.pb.h"

namespace rcnn::data {

// Formats, as flags name them.
inline constexpr absl::string_view kFolderFormats[] = {"voc",  "coco", "yolo",  "labelme",
                                                       "cvat", "csv",  "shards"};

struct FolderOptions {
  // One of kFolderFormats, to decide between several; "": recognised.
  std::string format = {};
  // False: a symbolic link that leads out of the folder is an error.
  bool follow_links = true;
  // The unit of boxes: "pixels" or "fractions" of the image's sides. "": as the format has
  // it, and a folder whose boxes all lie within 0..1 is an error.
  std::string box_units = {};
  // "applied" or "not_applied": whether boxes are of images as turned by their EXIF orientation.
  // "": the annotated sizes decide, and an image for which they do not is a defect.
  std::string exif_orientation = {};
};

struct FolderPart {
  // "train", "val" or "test"; "all" for a folder without parts.
  std::string name;
  // With every field that recognition decides, and absolute paths.
  configs::DatasetConfig config;
};

struct RecognizedFolder {
  // Absolute.
  std::string folder;
  std::string format;
  // In the order train, val, test; or one part "all". Never empty.
  std::vector<FolderPart> parts;
  // Notices for the user: whole sentences without a full stop.
  std::vector<std::string> notices;
  // Image files in the folder, annotated or not.
  int64_t num_images = 0;

  // nullptr if there is none.
  const FolderPart* FindPart(absl::string_view name) const;
};

// kInvalidArgument: the folder has no images or no readable annotations (lists what was
// looked for and what the folder looks like), or can be read in two ways (names both
// formats and the flag that decides), or an option is invalid. Also the errors of ListFiles and
// of the layouts (part_place.h).
absl::StatusOr<RecognizedFolder> RecognizeFolder(const std::string& folder,
                                                 const FolderOptions& options = {});

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_RECOGNIZE_FOLDER_H_
