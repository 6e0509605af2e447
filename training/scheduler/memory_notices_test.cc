#include "rcnn/training/scheduler/memory_notices.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/training/scheduler/open_experiment.h"
#include "rcnn/training/testing/tiny_run.h"

namespace rcnn::training {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<std::string> Notices(const std::vector<std::string>& overrides) {
  const auto run = OpenExperiment(TinyExperiment(overrides), "");
  EXPECT_THAT(run, IsOk());
  if (!run.ok()) return {};
  const auto notices = MemoryNotices(*run);
  EXPECT_THAT(notices, IsOk());
  return notices.value_or(std::vector<std::string>());
}

TEST(MemoryNoticesTest, OrdinaryImagesNeedNone) { EXPECT_THAT(Notices({}), IsEmpty()); }

// Nothing of that size is drawn or allocated.
TEST(MemoryNoticesTest, HugeTestImagesAreToldWithTheirMemory) {
  const auto notices = [](const std::string& shortest_side_px) {
    return Notices({"data.test.shapes.width_px=4096", "data.test.shapes.height_px=4096",
                    "data.transform.resize={ shortest_side_px: " + shortest_side_px + " }"});
  };
  EXPECT_THAT(notices("8000"),
              ElementsAre(AllOf(HasSubstr("data.test: detection takes about "), HasSubstr(" GB"),
                                HasSubstr("4096 x 4096 pixels"), HasSubstr("are available"))));
  EXPECT_THAT(notices("600"), IsEmpty());
}

TEST(MemoryNoticesTest, ImagesThatGoThroughTogetherAreToldTogether) {
  const auto notices = [](const std::string& batch) {
    return Notices({"data.test.shapes.width_px=4096", "data.test.shapes.height_px=4096",
                    "data.transform.resize={ shortest_side_px: 8000 }",
                    "resources.inference_batch=" + batch});
  };
  EXPECT_THAT(notices("1"), ElementsAre(Not(HasSubstr("together"))));
  EXPECT_THAT(notices("2"), ElementsAre(AllOf(HasSubstr(" of memory on 2 images of the size of "),
                                              HasSubstr("a smaller resources.inference_batch"))));
}

}  // namespace
}  // namespace rcnn::training
