// Tests what others do not: train_stage_test.cc and proposal_stage_test.cc test the inputs of
// stages as they use them.

#include "rcnn/training/stages/stage_inputs.h"

#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/testing/fresh_directory.h"
#include "rcnn/base/testing/status_matchers.h"
#include "rcnn/configs/experiment.pb.h"
#include "rcnn/training/stages/experiment_run.h"

namespace rcnn::training {
namespace {

using ::testing::HasSubstr;

TEST(PretrainedDigestTextTest, NamesSizeAndChecksum) {
  EXPECT_EQ(PretrainedDigestText({12, 0xc0ffee}), "12 bytes, CRC-32C 00c0ffee");
}

// A stage may begin days after its key was made from the weights.
TEST(MakeWeightsLookupTest, WeightsThatWereReplacedMeanwhileAreNotUsed) {
  ExperimentRun run;
  run.data_root = FreshDirectory();
  run.config.mutable_pretrained()->set_file("a.pth");
  run.pretrained_digest = PretrainedDigestText(Digest("weights"));
  const std::string path = run.data_root + "/a.pth";
  configs::InitConfig init;
  init.set_pretrained(true);
  const auto read = [&](const std::string& contents) {
    EXPECT_THAT(WriteFileAtomically(path, contents), IsOk());
    return MakeWeightsLookup(run)(init).status();
  };
  // It is read, and is not a file of weights.
  EXPECT_THAT(read("weights"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(path)));
  EXPECT_THAT(read("weightz"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("pretrained.file: " + path + " has changed since")));
  run.pretrained_digest.clear();  // as in the planning of a folder, before there are keys
  EXPECT_THAT(read("weightz"), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(path)));
}

}  // namespace
}  // namespace rcnn::training
