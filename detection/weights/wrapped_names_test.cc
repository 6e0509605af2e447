#include "rcnn/detection/weights/wrapped_names.h"

#include <ATen/ops/zeros.h>

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/detection/weights/known_name_maps.h"

namespace rcnn::detection::weights {
namespace {

using ::testing::ElementsAreArray;

// The names by which a torchvision ResNet is recognised, with a prefix.
std::vector<std::string> ResnetNames(const std::string& prefix) {
  std::vector<std::string> names;
  for (const std::string& name : (*FindNameMap("torchvision_resnet"))->signature) {
    names.push_back(prefix + name);
  }
  return names;
}

StateDict State(const std::vector<std::string>& names) {
  StateDict state;
  for (const std::string& name : names) state.Add(name, at::zeros({1}));
  return state;
}

std::vector<std::string> Names(const StateDict& state) {
  std::vector<std::string> names;
  for (const StateDict::Entry& entry : state) names.push_back(entry.name);
  return names;
}

TEST(UnwrapNamesTest, TakesOffWhatAllNamesShare) {
  for (const char* prefix : {"module.", "model.", "_orig_mod.", "module.model.net."}) {
    StateDict state = State(ResnetNames(prefix));
    state.metadata()["format"] = "pt";
    const UnwrappedNames unwrapped = UnwrapNames(state);
    EXPECT_EQ(unwrapped.prefix, prefix);
    EXPECT_THAT(Names(unwrapped.state), ElementsAreArray(ResnetNames("")));
    EXPECT_EQ(unwrapped.state.metadata(), state.metadata());
  }
}

TEST(UnwrapNamesTest, LeavesWhatIsKnown) {
  for (const NameMap& map : KnownNameMaps()) {
    if (map.signature.empty()) continue;
    const UnwrappedNames unwrapped = UnwrapNames(State(map.signature));
    EXPECT_EQ(unwrapped.prefix, "") << map.name;
    EXPECT_THAT(Names(unwrapped.state), ElementsAreArray(map.signature)) << map.name;
  }
}

TEST(UnwrapNamesTest, LeavesWhatIsNotKnownWithoutItEither) {
  const std::vector<std::string> names = {"features.0.weight", "features.0.bias"};
  EXPECT_THAT(Names(UnwrapNames(State(names)).state), ElementsAreArray(names));
}

TEST(UnwrapNamesTest, ACounterBesideNeedsNoPrefix) {
  std::vector<std::string> names = ResnetNames("module.");
  names.push_back("n_averaged");
  EXPECT_EQ(UnwrapNames(State(names)).prefix, "module.");
}

TEST(UnwrapNamesTest, NamesThatWouldBeOneStayAsTheyAre) {
  EXPECT_EQ(UnwrapNames(State({"module.fc", "fc"})).prefix, "");
  EXPECT_EQ(UnwrapNames(StateDict()).prefix, "");
}

}  // namespace
}  // namespace rcnn::detection::weights
