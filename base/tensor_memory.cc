#include "rcnn/base/tensor_memory.h"

#include <c10/core/Allocator.h>
#include <c10/util/ThreadLocalDebugInfo.h>

#include <algorithm>

#include "rcnn/base/libtorch_version.h"

namespace rcnn {
namespace {

class Counter : public c10::MemoryReportingInfoBase {
 public:
  // `bytes` is negative when a tensor is freed.
  void reportMemoryUsage(void* /*block*/, int64_t bytes, RCNN_LIBTORCH_TOTAL_BYTES /*allocated*/,
                         RCNN_LIBTORCH_TOTAL_BYTES /*reserved*/, c10::Device device) override {
    if (device.type() != c10::DeviceType::CPU) return;
    now_ += bytes;
    peak_ = std::max(peak_, now_);
  }

  bool memoryProfilingEnabled() const override { return true; }

  int64_t peak() const { return peak_; }

 private:
  int64_t now_ = 0;
  int64_t peak_ = 0;
};

}  // namespace

struct TensorMemory::Listening {
  std::shared_ptr<Counter> counter = std::make_shared<Counter>();
  c10::DebugInfoGuard guard = {c10::DebugInfoKind::PROFILER_STATE, counter};
};

TensorMemory::TensorMemory() : listening_(std::make_unique<Listening>()) {}

TensorMemory::~TensorMemory() = default;

int64_t TensorMemory::peak_bytes() const { return listening_->counter->peak(); }

}  // namespace rcnn
