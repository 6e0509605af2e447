// Any bytes as the annotation of a folder with one image, in a format that the first byte
// chooses: what the folder is recognised as, its reader, and the checks of the table. Every
// object has one of the classes.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/testing/fuzz_folder.h"
#include "rcnn/data/sources/open_folder.h"

namespace {

// A BMP of 8 x 6 grey pixels.
std::string Bitmap() {
  constexpr unsigned char kHeader[] = {
      'B', 'M', 198, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 8, 0, 0, 0, 6, 0, 0, 0, 1,
      0,   24,  0,   0, 0, 0, 0, 0, 0, 0, 0,  0, 0, 0, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  return std::string(reinterpret_cast<const char*>(kHeader), sizeof(kHeader)) +
         std::string(6 * 24, '\x40');
}

constexpr std::array<absl::string_view, 5> kNames = {"a.xml", "a.json", "a.txt", "a.csv",
                                                     "data.yaml"};

// Writes the file into a folder of its kind, so that only that file changes, and returns the
// folder.
const std::string& WriteAnnotation(size_t kind, absl::string_view bytes) {
  static const rcnn::testing::FuzzFolder root;
  static std::array<std::string, kNames.size()> folders;
  std::string& folder = folders[kind];
  if (folder.empty()) {
    const std::string name = absl::StrCat("kind", kind);
    root.Write(absl::StrCat(name, "/a.bmp"), Bitmap());
    if (kNames[kind] == "data.yaml")
      root.Write(absl::StrCat(name, "/a.txt"), "0 0.5 0.5 0.5 0.5\n");
    folder = absl::StrCat(root.path(), "/", name);
  }
  root.Write(absl::StrCat("kind", kind, "/", kNames[kind]), bytes);
  return folder;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto opened = rcnn::data::OpenFolder(WriteAnnotation(data[0] % kNames.size(), bytes), {});
  if (!opened.ok()) return 0;
  for (const rcnn::data::OpenedPart& part : opened->parts) {
    const int64_t classes = part.images->classes().size();
    for (int64_t i = 0; i < part.images->size(); ++i) {
      for (const rcnn::data::Object& object : part.images->objects(i)) {
        if (object.label < 1 || object.label > classes) std::abort();
      }
    }
  }
  return 0;
}
