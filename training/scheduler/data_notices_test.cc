#include "rcnn/training/scheduler/data_notices.h"

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

std::vector<std::string> Notices(const std::vector<std::string>& overrides) {
  const auto run = OpenExperiment(TinyExperiment(overrides), "");
  EXPECT_THAT(run, IsOk());
  return run.ok() ? DataNotices(*run) : std::vector<std::string>();
}

TEST(DataNoticesTest, OrdinaryDataNeedsNone) { EXPECT_THAT(Notices({}), IsEmpty()); }

TEST(DataNoticesTest, ATestSetWithoutObjectsIsTold) {
  EXPECT_THAT(Notices({"data.test.shapes.min_objects=0", "data.test.shapes.max_objects=0"}),
              ElementsAre("data.test: none of the images, 3 in all, has an object; its metrics "
                          "will be null"));
}

// With one object in all, the training data has one class only.
TEST(DataNoticesTest, AClassThatOnlyTheTestSetHasIsTold) {
  EXPECT_THAT(Notices({"data.train.shapes.num_images=1", "data.train.shapes.min_objects=1",
                       "data.train.shapes.max_objects=1", "data.test.shapes.num_images=20",
                       "stages.rpn1.train_rpn.training.batching.images_per_batch=1",
                       "stages.fast1.train_fast_rcnn.training.batching.images_per_batch=1",
                       "stages.rpn2.train_rpn.training.batching.images_per_batch=1",
                       "stages.fast2.train_fast_rcnn.training.batching.images_per_batch=1"}),
              ElementsAre(AllOf(HasSubstr("data.test has "), HasSubstr("of the class "),
                                HasSubstr("data.train has none"))));
}

}  // namespace
}  // namespace rcnn::training
