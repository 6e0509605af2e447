#include "rcnn/base/graph_table.h"

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <c10/util/Optional.h>

#include "rcnn/base/autocast_scope.h"

namespace rcnn {

GraphKey MakeGraphKey(const std::vector<at::Tensor>& inputs) {
  const at::Device device = inputs.front().device();
  const c10::impl::VirtualGuardImpl streams(device.type());
  const c10::optional<c10::ScalarType> autocast = AutocastType(device.type());
  GraphKey key = {static_cast<int64_t>(device.type()), static_cast<int64_t>(device.index()),
                  static_cast<int64_t>(streams.getStream(device).id()),
                  autocast ? static_cast<int64_t>(*autocast) : -1};
  for (const at::Tensor& input : inputs) {
    key.push_back(static_cast<int64_t>(input.scalar_type()));
    key.push_back(static_cast<int64_t>(input.suggest_memory_format()));
    key.push_back(input.dim());
    key.insert(key.end(), input.sizes().begin(), input.sizes().end());
  }
  return key;
}

}  // namespace rcnn
