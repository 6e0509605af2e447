#include "rcnn/data/core/image_names.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/core/dataset.h"
#include "rcnn/data/core/sample.h"
#include "rcnn/data/testing/fake_dataset.h"

namespace rcnn::data {
namespace {

using ::testing::HasSubstr;

TEST(WithoutImageExtension, RemovesImageExtensions) {
  EXPECT_EQ(WithoutImageExtension("000012.jpg"), "000012");
  EXPECT_EQ(WithoutImageExtension("v1.5.JPEG"), "v1.5");
  EXPECT_EQ(WithoutImageExtension("train/a.webp"), "train/a");
  EXPECT_EQ(WithoutImageExtension("v1.5"), "v1.5");
  EXPECT_EQ(WithoutImageExtension("jpg"), "jpg");
  EXPECT_EQ(WithoutImageExtension(""), "");
}

TEST(CheckImageNamesDiffer, AcceptsDifferentNames) {
  EXPECT_THAT(CheckImageNamesDiffer(*testing::FakeDataset::OfSize(3)), IsOk());
  EXPECT_THAT(CheckImageNamesDiffer(*testing::FakeDataset::OfSize(0)), IsOk());
}

// One image and one class of these names.
class NamedDataset : public testing::FakeDataset {
 public:
  NamedDataset(std::string image, std::string class_name)
      : FakeDataset({{8, 6}}), image_(std::move(image)), classes_{{std::move(class_name)}, {1}} {}

  const ClassList& classes() const override { return classes_; }
  ImageInfo image(int64_t index) const override {
    ImageInfo info = FakeDataset::image(index);
    info.name = image_;
    return info;
  }

 private:
  std::string image_;
  ClassList classes_;
};

TEST(CheckNamesAreUtf8, NamesTheOneThatIsNot) {
  const auto code = absl::StatusCode::kInvalidArgument;
  EXPECT_THAT(CheckNamesAreUtf8(NamedDataset("\xc3\xa9.png", "\xe7\x8c\xab")), IsOk());
  EXPECT_THAT(CheckNamesAreUtf8(NamedDataset("\xe9.png", "cat")),
              StatusIs(code, HasSubstr("the image name \"\xe9.png\" is not UTF-8")));
  EXPECT_THAT(CheckNamesAreUtf8(NamedDataset("a.png", "\xe9")),
              StatusIs(code, HasSubstr("the class name \"\xe9\" is not UTF-8")));
}

}  // namespace
}  // namespace rcnn::data
