// Any bytes as results of VOC, YOLO or CSV, which the first byte chooses: what is read names
// only images and categories of the dataset.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "absl/strings/string_view.h"
#include "rcnn/base/testing/fuzz_folder.h"
#include "rcnn/eval/ground_truth.h"
#include "rcnn/eval/text_results.h"

namespace {

rcnn::eval::GroundTruth MakeTruth() {
  rcnn::eval::GroundTruth truth;
  truth.images = {{7, "JPEGImages/000005.jpg", false, 200, 100}, {9, "a.jpg", false, 400, 300}};
  truth.categories = {{3, "cat"}, {5, "traffic light"}};
  return truth;
}

// A folder with one file, by its format.
std::string Write(int format, absl::string_view bytes) {
  static const rcnn::testing::FuzzFolder folder;
  const char* const names[] = {"voc/comp4_det_test_cat.txt", "yolo/a.txt", "csv/results.csv"};
  const std::filesystem::path path = folder.Write(names[format], bytes);
  return format == 2 ? path.string() : path.parent_path().string();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static const auto& truth = *new rcnn::eval::GroundTruth(MakeTruth());
  const std::string path =
      Write(data[0] % 3, absl::string_view(reinterpret_cast<const char*>(data + 1), size - 1));
  const auto results = rcnn::eval::ReadTextResults(path, truth);
  if (!results.ok()) return 0;
  for (int64_t i = 0; i < results->size(); ++i) {
    if (truth.ImageIndex(results->image_ids[i]) < 0) std::abort();
    if (truth.CategoryIndex(results->category_ids[i]) < 0) std::abort();
  }
  return 0;
}
