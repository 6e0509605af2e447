#include "rcnn/tools/detect_pipeline.h"

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/data/image/encode_image.h"
#include "rcnn/data/image/image.h"
#include "rcnn/detection/detector.h"
#include "rcnn/tools/testing/tiny_detector.h"

namespace rcnn::tools {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class DetectPipelineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = absl::StrCat(::testing::TempDir(), "/detect_pipeline_test_", getpid());
    std::filesystem::create_directories(folder_);
    testing::WriteTinyDetector(folder_ + "/model");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  ImageJob Put(const std::string& name, int64_t side) {
    const auto bytes = data::EncodePng(data::Image(side, side));
    EXPECT_THAT(bytes, IsOk());
    EXPECT_THAT(WriteFileAtomically(folder_ + "/" + name, *bytes), IsOk());
    return {folder_ + "/" + name, name, 1, ""};
  }

  // What is printed.
  std::string Detect(const std::vector<ImageJob>& jobs, const PipelineOptions& options) {
    const auto detector = detection::Detector::Load(folder_ + "/model");
    EXPECT_THAT(detector, IsOk());
    if (!detector.ok()) return "";
    ::testing::internal::CaptureStderr();
    const auto result = DetectAll(**detector, jobs, options);
    const std::string printed = ::testing::internal::GetCapturedStderr();
    EXPECT_THAT(result, IsOk());
    if (!result.ok()) return printed;
    EXPECT_THAT(result->images, SizeIs(jobs.size()));
    return printed;
  }

  std::string folder_;
};

TEST_F(DetectPipelineTest, SaysTheMemoryOfAnImageThatIsLargerThanThoseBefore) {
  // 9 bytes for each pixel: 0.36, 1.44, 0.81 and 2.25 MB.
  const std::vector<ImageJob> jobs = {Put("a.png", 200), Put("b.png", 400), Put("c.png", 300),
                                      Put("d.png", 500)};
  PipelineOptions options;
  EXPECT_THAT(Detect(jobs, options), Not(HasSubstr("memory")));
  options.announced_bytes = 1'000'000;
  EXPECT_THAT(Detect(jobs, options),
              AllOf(HasSubstr("b.png: 400 x 400 pixels take about 1 MB of memory; "),
                    HasSubstr("d.png: 500 x 500 pixels take about 2 MB of memory; "),
                    HasSubstr(" are available"), Not(HasSubstr("a.png: 200")),
                    Not(HasSubstr("c.png: 300"))));
  options.quiet = true;
  EXPECT_THAT(Detect(jobs, options), IsEmpty());
}

}  // namespace
}  // namespace rcnn::tools
