#include "rcnn/detection/packed_model.h"

#include <ATen/core/Tensor.h>
#include <ATen/core/grad_mode.h>

#include <map>
#include <set>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/crc32c.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/safetensors_writer.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/layers.h"
#include "rcnn/detection/weights/borrowed_tensor.h"
#include "rcnn/detection/weights/module_state.h"

namespace rcnn::detection {
namespace {

// Of every array: a cache line, as kernels need it.
constexpr size_t kAlignment = 64;
constexpr char kChecksum[] = "crc32c";
// Follows the name of an array that fills up. Sorts before every letter of a longer name.
constexpr char kFill[] = "!";

// Arrays by name, which is their order in the file.
using Arrays = std::map<std::string, StoredPanels>;

absl::string_view Bytes(const StoredPanels& panels) {
  return {static_cast<const char*>(panels.data), panels.bytes};
}

// An array of zeros after one whose size is not a multiple of the alignment.
void AddFill(const std::string& name, size_t bytes, Arrays& arrays) {
  static const auto& zeros = *new std::string(kAlignment, '\0');
  const size_t missing = (kAlignment - bytes % kAlignment) % kAlignment;
  if (missing > 0) arrays[absl::StrCat(name, kFill)] = {zeros.data(), missing, nullptr};
}

void Add(const std::string& name, const StoredPanels& panels, Arrays& arrays) {
  if (panels.data == nullptr) return;
  arrays[name] = panels;
  AddFill(name, panels.bytes, arrays);
}

std::string LayerArray(const std::string& layer, absl::string_view part) {
  return absl::StrCat("layer/", layer, "/", part);
}

std::string StateArray(const std::string& name) { return absl::StrCat("state/", name); }

// Every layer of the model, by its path.
std::vector<std::pair<std::string, PreparedLayer*>> Layers(const torch::nn::Module& model) {
  std::vector<std::pair<std::string, PreparedLayer*>> layers;
  for (const auto& item : model.named_modules("", /*include_self=*/false)) {
    auto* layer = dynamic_cast<PreparedLayer*>(item.value().get());
    if (layer != nullptr) layers.emplace_back(item.key(), layer);
  }
  return layers;
}

Arrays Collect(const torch::nn::Module& model) {
  Arrays arrays;
  std::set<std::string> stored_weights;
  for (const auto& [name, layer] : Layers(model)) {
    const c10::optional<StoredLayer> stored = layer->Stored();
    if (!stored.has_value()) continue;
    Add(LayerArray(name, "weight"), stored->weight, arrays);
    Add(LayerArray(name, "bias"), stored->bias, arrays);
    stored_weights.insert(absl::StrCat(name, ".weight"));
  }
  for (const auto& [name, tensor] : weights::ModuleState(model)) {
    if (stored_weights.count(name) > 0) continue;
    const auto owner = std::make_shared<const at::Tensor>(tensor.detach().contiguous());
    Add(StateArray(name), {owner->data_ptr(), owner->nbytes(), owner}, arrays);
  }
  return arrays;
}

std::string ChecksumText(uint32_t crc) { return absl::StrFormat("%08x", crc); }

// Names count, so that two arrays of one size cannot take each other's place.
uint32_t AddToChecksum(absl::string_view name, absl::string_view bytes, uint32_t crc) {
  return Crc32c(bytes, Crc32c(name, crc));
}

absl::Status Differs(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the packed model ", what));
}

// The arrays of a file, each of which must be used.
class Reader {
 public:
  explicit Reader(std::shared_ptr<const SafetensorsFile> file) : file_(std::move(file)) {
    for (const SafetensorsArray& array : file_->view().arrays()) {
      if (!absl::EndsWith(array.spec.name, kFill)) unused_.insert(array.spec.name);
    }
  }

  // Empty if no array has that name.
  StoredPanels Take(const std::string& name) {
    const SafetensorsArray* array = file_->view().Find(name);
    if (array == nullptr) return {};
    unused_.erase(name);
    return {array->bytes.data(), array->bytes.size(), file_};
  }

  const std::set<std::string>& unused() const { return unused_; }

 private:
  std::shared_ptr<const SafetensorsFile> file_;
  std::set<std::string> unused_;
};

absl::Status VerifyChecksum(const SafetensorsFile& file) {
  uint32_t crc = 0;
  for (const SafetensorsArray& array : file.view().arrays()) {
    crc = AddToChecksum(array.spec.name, array.bytes, crc);
  }
  const auto expected = file.view().metadata().find(kChecksum);
  if (expected != file.view().metadata().end() && expected->second == ChecksumText(crc)) {
    return absl::OkStatus();
  }
  return Differs("has another checksum than its header says");
}

// Makes the tensors of the model those of the file; returns the names of those that it lacks.
absl::StatusOr<std::set<std::string>> FillState(Reader& reader, const torch::nn::Module& model) {
  std::set<std::string> missing;
  for (const auto& [name, tensor] : weights::ModuleState(model)) {
    const StoredPanels stored = reader.Take(StateArray(name));
    if (stored.data == nullptr) {
      missing.insert(name);
      continue;
    }
    if (stored.bytes != tensor.nbytes() || !weights::IsAligned(stored.data, tensor.scalar_type())) {
      return Differs(absl::StrCat("has another ", name));
    }
    at::Tensor(tensor).set_data(weights::BorrowedTensor(stored.data, tensor.sizes(),
                                                        weights::ContiguousStrides(tensor.sizes()),
                                                        tensor.scalar_type(), stored.owner));
  }
  return missing;
}

absl::Status FillModel(Precision precision, Reader& reader, torch::nn::Module& model) {
  RCNN_ASSIGN_OR_RETURN(std::set<std::string> missing, FillState(reader, model));
  for (const auto& [name, layer] : Layers(model)) {
    const StoredLayer stored = {reader.Take(LayerArray(name, "weight")),
                                reader.Take(LayerArray(name, "bias"))};
    if (stored.weight.data == nullptr) continue;
    layer->PrepareForInference({precision, /*drop_weights=*/true}, &stored);
    if (!layer->IsReplaced()) return Differs(absl::StrCat("has packed ", name));
    missing.erase(absl::StrCat(name, ".weight"));
  }
  if (!missing.empty()) return Differs(absl::StrCat("lacks ", *missing.begin()));
  if (!reader.unused().empty()) {
    return Differs(absl::StrCat("has another model's ", *reader.unused().begin()));
  }
  return absl::OkStatus();
}

}  // namespace

int64_t PackedModelBytes(const torch::nn::Module& model) {
  int64_t bytes = 0;
  for (const auto& [name, panels] : Collect(model)) bytes += static_cast<int64_t>(panels.bytes);
  return bytes;
}

absl::Status WritePackedModel(const torch::nn::Module& model, SafetensorsMetadata metadata,
                              const std::string& path) {
  const Arrays arrays = Collect(model);
  std::vector<SafetensorsSpec> specs;
  uint32_t crc = 0;
  for (const auto& [name, panels] : arrays) {
    specs.push_back({name, SafetensorsType::kU8, {static_cast<int64_t>(panels.bytes)}});
    crc = AddToChecksum(name, Bytes(panels), crc);
  }
  metadata[kChecksum] = ChecksumText(crc);
  RCNN_ASSIGN_OR_RETURN(SafetensorsWriter writer,
                        SafetensorsWriter::Create(path, std::move(specs), metadata, kAlignment));
  for (const SafetensorsSpec& spec : writer.specs()) {
    RCNN_RETURN_IF_ERROR(writer.Append(spec.name, Bytes(arrays.at(spec.name))));
  }
  return writer.Commit().status();
}

absl::StatusOr<PackedModelFile> PackedModelFile::Open(const std::string& path) {
  RCNN_ASSIGN_OR_RETURN(SafetensorsFile file, SafetensorsFile::Open(path));
  return PackedModelFile(std::move(file));
}

absl::Status PackedModelFile::Fill(Precision precision, torch::nn::Module& model) const {
  RCNN_RETURN_IF_ERROR(VerifyChecksum(*file_));
  const at::NoGradGuard no_grad;
  Reader reader(file_);
  return CatchExceptions([&] { return FillModel(precision, reader, model); },
                         absl::StatusCode::kDataLoss);
}

}  // namespace rcnn::detection
