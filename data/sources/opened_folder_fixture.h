// Tests of OpenFolder: each puts images and annotations into its folder (folder_fixture.h), and
// reads the objects that are found.

#ifndef RCNN_DATA_SOURCES_OPENED_FOLDER_FIXTURE_H_
#define RCNN_DATA_SOURCES_OPENED_FOLDER_FIXTURE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"
#include "rcnn/data/sources/folder_fixture.h"
#include "rcnn/data/sources/open_folder.h"
#include "rcnn/data/sources/recognize_folder.h"

namespace rcnn::data {

class OpenedFolderFixture : public FolderFixture {
 protected:
  static constexpr char kImages[] = "data/image/testdata/";  // whole.*: 24 x 16
  static constexpr char kCategories[] =
      R"("categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}])";

  // Deletes what is in the folder.
  void Clear() { FreshDirectory(); }

  void PutImage(const std::string& path, int64_t width = 40, int64_t height = 30) {
    const auto bytes = EncodePng(Image(height, width));
    ASSERT_THAT(bytes, IsOk());
    Put(path, *bytes);
  }

  // An existing image under another name.
  void PutCopy(const std::string& path, const std::string& image) {
    Put(path, ReadFile(kImages + image).value());
  }

  // Name, class and corners of each object, "a.png cat 1 2 3 4", sorted. Notices and defects go to
  // `told_`.
  std::vector<std::string> Objects(const FolderOptions& options = {}) {
    const auto folder = OpenFolder(folder_, options);
    EXPECT_THAT(folder, IsOk());
    told_.clear();
    if (!folder.ok()) return {};
    classes_ = folder->classes;
    std::vector<std::string> lines;
    for (const OpenedPart& part : folder->parts) {
      absl::StrAppend(&told_, absl::StrJoin(part.images->defects().notices(), "\n"), "\n",
                      part.images->defects().ToString(99));
      for (int64_t i = 0; i < part.images->size(); ++i) {
        for (const Object& object : part.images->objects(i)) {
          const auto& [x, y, width, height] = object.xywh;
          lines.push_back(absl::StrFormat("%s %s %g %g %g %g%s", part.images->image(i).name,
                                          classes_[static_cast<size_t>(object.label - 1)], x, y,
                                          x + width, y + height,
                                          object.difficult ? " difficult" : ""));
        }
      }
    }
    std::sort(lines.begin(), lines.end());
    return lines;
  }

  absl::Status Error() { return OpenFolder(folder_, {}).status(); }

  // Parts of a COCO file. CocoObject is a cat, with `fields` after the box.
  static std::string CocoImage(const std::string& id, const std::string& file) {
    return absl::StrCat("{\"id\": ", id, ", \"file_name\": \"", file,
                        "\", \"width\": 40, \"height\": 30}");
  }
  static std::string CocoObject(
      const std::string& image, const std::string& box,
      const std::string& fields = "\"id\": 1, \"area\": 9, \"iscrowd\": 0") {
    return absl::StrCat("{\"image_id\": ", image, ", \"category_id\": 1, \"bbox\": ", box, ", ",
                        fields, "}");
  }
  static std::string Coco(const std::string& images, const std::string& annotations,
                          const std::string& categories = kCategories) {
    return absl::StrCat("{\"images\": [", images, "], \"annotations\": [", annotations, "], ",
                        categories, "}");
  }

  // Parts of a VOC annotation. VocObject is a cat, with `fields` before its boxes.
  static std::string VocObject(const std::string& boxes, const std::string& fields = "") {
    return absl::StrCat("<object><name>cat</name>", fields, boxes, "</object>");
  }
  static std::string VocBox(double x1, double y1, double x2, double y2) {
    return absl::StrFormat(
        "<bndbox><xmin>%g</xmin><ymin>%g</ymin><xmax>%g</xmax><ymax>%g</ymax></bndbox>", x1, y1, x2,
        y2);
  }
  static std::string Voc(const std::string& file, const std::string& objects, int width = 40,
                         int height = 30) {
    return absl::StrCat("<annotation><filename>", file, "</filename><size><width>", width,
                        "</width><height>", height, "</height></size>", objects, "</annotation>");
  }

  std::vector<std::string> classes_;
  std::string told_;
};

}  // namespace rcnn::data

#endif  // RCNN_DATA_SOURCES_OPENED_FOLDER_FIXTURE_H_
