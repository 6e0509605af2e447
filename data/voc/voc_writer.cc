#include "rcnn/data/voc/voc_writer.h"

#include <filesystem>
#include <sstream>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "pugixml.hpp"
#include "rcnn/base/file_io.h"
#include "rcnn/base/shortest_number.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/data/core/image_names.h"
#include "rcnn/data/core/new_file.h"
#include "rcnn/data/image/encode_image.h"

namespace rcnn::data {
namespace {

void AddText(pugi::xml_node parent, const char* name, const std::string& text) {
  parent.append_child(name).text().set(text.c_str());
}

void AddObject(pugi::xml_node root, const Object& object, const ClassList& classes) {
  pugi::xml_node node = root.append_child("object");
  AddText(node, "name", classes.names[object.label - 1]);
  AddText(node, "difficult", object.difficult ? "1" : "0");
  pugi::xml_node box = node.append_child("bndbox");
  const auto& [x, y, width, height] = object.xywh;
  AddText(box, "xmin", ShortestNumber(x + 1));
  AddText(box, "ymin", ShortestNumber(y + 1));
  AddText(box, "xmax", ShortestNumber(x + width));
  AddText(box, "ymax", ShortestNumber(y + height));
}

absl::Status WriteSample(const Dataset& dataset, int64_t index, const std::string& folder) {
  RCNN_ASSIGN_OR_RETURN(Sample sample, dataset.Load(index));
  const std::string name = WithoutImageExtension(sample.info.name);
  const std::string file = name + ".png";
  RCNN_ASSIGN_OR_RETURN(std::string image_path, JoinInside(folder + "/JPEGImages", file));
  RCNN_ASSIGN_OR_RETURN(std::string xml_path, JoinInside(folder + "/Annotations", name + ".xml"));
  RCNN_ASSIGN_OR_RETURN(std::string png, EncodePng(*sample.image), sample.info.name);
  for (const std::string& path : {image_path, xml_path}) {
    RCNN_RETURN_IF_ERROR(CreateDirectories(std::filesystem::path(path).parent_path().string()));
  }
  RCNN_RETURN_IF_ERROR(WriteNewFile(image_path, png));
  const std::string xml = VocAnnotationXml(sample.info, file, sample.objects, dataset.classes());
  return WriteNewFile(xml_path, xml);
}

}  // namespace

std::string VocAnnotationXml(const ImageInfo& info, absl::string_view file_name,
                             const std::vector<Object>& objects, const ClassList& classes) {
  pugi::xml_document document;
  pugi::xml_node root = document.append_child("annotation");
  AddText(root, "filename", std::string(file_name));
  pugi::xml_node size = root.append_child("size");
  AddText(size, "width", absl::StrCat(info.width));
  AddText(size, "height", absl::StrCat(info.height));
  AddText(size, "depth", absl::StrCat(Image::kChannels));
  for (const Object& object : objects) AddObject(root, object, classes);
  std::ostringstream text;
  document.save(text, "  ", pugi::format_default | pugi::format_no_declaration);
  return text.str();
}

namespace {

// A list has a name a line, and spaces around it are not part of it.
absl::Status CheckListable(const Dataset& dataset) {
  for (int64_t i = 0; i < dataset.size(); ++i) {
    const std::string name = WithoutImageExtension(dataset.image(i).name);
    const bool trimmed = absl::StripAsciiWhitespace(name).size() != name.size();
    if (!trimmed && name.find_first_of("\r\n") == std::string::npos) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("a list of ImageSets/Main cannot hold the image name \"", name,
                     "\", because of its ", trimmed ? "outer spaces" : "line break",
                     "; rename the image, or write the dataset as COCO"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteVoc(const Dataset& dataset, const std::string& folder,
                      const VocWriteOptions& options) {
  RCNN_RETURN_IF_ERROR(CheckImageNamesDiffer(dataset));
  RCNN_RETURN_IF_ERROR(CheckListable(dataset));
  RCNN_ASSIGN_OR_RETURN(std::string list,
                        JoinInside(folder + "/ImageSets/Main", options.split + ".txt"));
  std::string names;
  for (int64_t i = 0; i < dataset.size(); ++i) {
    absl::StrAppend(&names, WithoutImageExtension(dataset.image(i).name), "\n");
  }
  RCNN_RETURN_IF_ERROR(CheckReplacesNone(list, names));
  for (const char* part : {"/Annotations", "/JPEGImages", "/ImageSets/Main"}) {
    RCNN_RETURN_IF_ERROR(CreateDirectories(folder + part));
  }
  for (int64_t i = 0; i < dataset.size(); ++i) {
    RCNN_RETURN_IF_ERROR(WriteSample(dataset, i, folder));
  }
  return WriteNewFile(list, names);
}

}  // namespace rcnn::data
