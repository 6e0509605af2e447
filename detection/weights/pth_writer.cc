#include "rcnn/detection/weights/pth_writer.h"

#include <caffe2/serialize/inline_container.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "rcnn/base/exception_status.h"
#include "rcnn/base/file_io.h"
#include "rcnn/base/status_macros.h"
#include "rcnn/detection/weights/borrowed_tensor.h"
#include "rcnn/detection/weights/pickle_writer.h"

namespace rcnn::detection::weights {
namespace {

// The name of the storage type in module torch; "" if there is none that we read.
absl::string_view StorageName(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "FloatStorage";
    case at::kDouble:
      return "DoubleStorage";
    case at::kHalf:
      return "HalfStorage";
    case at::kBFloat16:
      return "BFloat16Storage";
    case at::kLong:
      return "LongStorage";
    case at::kInt:
      return "IntStorage";
    case at::kShort:
      return "ShortStorage";
    case at::kChar:
      return "CharStorage";
    case at::kByte:
      return "ByteStorage";
    case at::kBool:
      return "BoolStorage";
    default:
      return "";
  }
}

void OrderedDict(PickleWriter& pickle) {
  pickle.Global("collections", "OrderedDict");
  pickle.Op(PickleWriter::kEmptyTuple);
  pickle.Op(PickleWriter::kReduce);
}

// ('storage', torch.<type>Storage, key, location, elements), as a persistent id.
void Storage(const at::Tensor& tensor, size_t key, PickleWriter& pickle) {
  pickle.Op(PickleWriter::kMark);
  pickle.String("storage");
  pickle.Global("torch", StorageName(tensor.scalar_type()));
  pickle.String(absl::StrCat(key));
  pickle.String("cpu");
  pickle.Integer(tensor.numel());
  pickle.Op(PickleWriter::kTuple);
  pickle.Op(PickleWriter::kPersistentId);
}

// _rebuild_tensor_v2(storage, offset, sizes, strides, requires_grad, hooks).
void Tensor(const at::Tensor& tensor, size_t key, PickleWriter& pickle) {
  pickle.Global("torch._utils", "_rebuild_tensor_v2");
  pickle.Op(PickleWriter::kMark);
  Storage(tensor, key, pickle);
  pickle.Integer(0);
  pickle.Integers(tensor.sizes());
  pickle.Integers(ContiguousStrides(tensor.sizes()));
  pickle.Op(PickleWriter::kFalse);
  OrderedDict(pickle);
  pickle.Op(PickleWriter::kTuple);
  pickle.Op(PickleWriter::kReduce);
}

// Sets the attribute by the dict's state, {'rcnn_metadata': {…}}.
void Metadata(const std::map<std::string, std::string>& metadata, PickleWriter& pickle) {
  pickle.Op(PickleWriter::kEmptyDict);
  pickle.Op(PickleWriter::kMark);
  pickle.String("rcnn_metadata");
  pickle.Op(PickleWriter::kEmptyDict);
  pickle.Op(PickleWriter::kMark);
  for (const auto& [key, value] : metadata) {
    pickle.String(key);
    pickle.String(value);
  }
  pickle.Op(PickleWriter::kSetItems);
  pickle.Op(PickleWriter::kSetItems);
  pickle.Op(PickleWriter::kBuild);
}

std::string MakePickle(const StateDict& state) {
  PickleWriter pickle;
  OrderedDict(pickle);
  pickle.Op(PickleWriter::kMark);
  size_t key = 0;
  for (const StateDict::Entry& entry : state) {
    pickle.String(entry.name);
    Tensor(entry.tensor, key++, pickle);
  }
  pickle.Op(PickleWriter::kSetItems);
  if (!state.metadata().empty()) Metadata(state.metadata(), pickle);
  return std::move(pickle).Finish();
}

// The container of torch.save, over an atomic file. The first error of the file
// stays in `status`.
void WriteRecords(const StateDict& state, AtomicFile& file, absl::Status& status) {
  caffe2::serialize::PyTorchStreamWriter writer([&](const void* data, size_t size) -> size_t {
    if (status.ok()) {
      status = file.Append(absl::string_view(static_cast<const char*>(data), size));
    }
    return status.ok() ? size : 0;
  });
  const std::string pickle = MakePickle(state);
  writer.writeRecord("data.pkl", pickle.data(), pickle.size());
  size_t key = 0;
  for (const StateDict::Entry& entry : state) {
    const at::Tensor tensor = entry.tensor.detach().cpu().contiguous();
    writer.writeRecord(absl::StrCat("data/", key++), tensor.data_ptr(), tensor.nbytes());
  }
  writer.writeEndOfFile();
}

}  // namespace

absl::Status WriteTorchZip(const StateDict& state, const std::string& path) {
  for (const StateDict::Entry& entry : state) {
    if (StorageName(entry.tensor.scalar_type()).empty() || entry.tensor.layout() != at::kStrided) {
      return absl::UnimplementedError(
          absl::StrCat(path, ": tensor '", entry.name, "' is ", entry.tensor.toString()));
    }
  }
  RCNN_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path));
  absl::Status appended;
  const auto write = [&] {
    WriteRecords(state, file, appended);
    return absl::OkStatus();
  };
  const absl::Status written = CatchExceptions(write, absl::StatusCode::kUnavailable);
  RCNN_RETURN_IF_ERROR(appended);
  RCNN_RETURN_IF_ERROR(written, path);
  return file.Commit().status();
}

}  // namespace rcnn::detection::weights
