#include "rcnn/base/device_waits.h"

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rcnn/base/testing/status_matchers.h"

namespace rcnn {
namespace {

using ::testing::HasSubstr;

const c10::Device kCpu(c10::DeviceType::CPU);
const c10::Device kCuda(c10::DeviceType::CUDA, 0);

bool forbidden = false;
void Forbid(bool value) { forbidden = value; }

class DeviceWaitsTest : public ::testing::Test {
 protected:
  ~DeviceWaitsTest() override { SetDeviceWaitLibrary(nullptr); }
};

TEST_F(DeviceWaitsTest, WithoutALibraryNothingIsForbidden) {
  EXPECT_THAT(CheckWaitsCanBeForbidden(kCpu), IsOk());
  EXPECT_THAT(CheckWaitsCanBeForbidden(kCuda),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("--config=cuda")));
  const NoDeviceWaits no_waits(kCuda);
  EXPECT_FALSE(DeviceWaitsAreForbidden());
}

TEST_F(DeviceWaitsTest, WaitsAreForbiddenDuringTheLifetime) {
  static const DeviceWaitLibrary library = {c10::DeviceType::CPU, &Forbid,
                                            [] { return forbidden; }};
  EXPECT_TRUE(SetDeviceWaitLibrary(&library));
  EXPECT_THAT(CheckWaitsCanBeForbidden(kCpu), IsOk());
  EXPECT_FALSE(forbidden);
  {
    const NoDeviceWaits of_other_device(kCuda);
    EXPECT_FALSE(forbidden);
  }
  {
    const NoDeviceWaits no_waits(kCpu);
    EXPECT_TRUE(forbidden);
    EXPECT_TRUE(DeviceWaitsAreForbidden());
  }
  EXPECT_FALSE(forbidden);
  EXPECT_FALSE(DeviceWaitsAreForbidden());
}

TEST_F(DeviceWaitsTest, ALibraryWithoutEffectIsFound) {
  static const DeviceWaitLibrary library = {c10::DeviceType::CPU, &Forbid, [] { return false; }};
  SetDeviceWaitLibrary(&library);
  EXPECT_THAT(CheckWaitsCanBeForbidden(kCpu),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("not errors")));
  EXPECT_FALSE(forbidden);
}

}  // namespace
}  // namespace rcnn
